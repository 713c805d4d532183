package evidence

import "math/big"

// precision of all probabilities, in bits. Hardware floats are not used: the same question must
// have the same answer on every machine.
const precision = 256

func number() *big.Float { return new(big.Float).SetPrec(precision) }

func whole1() *big.Float { return number().SetInt64(1) }

// atMost is the probability of at most k deviations in a sample of n, where each item is one
// with probability p, from a population without end: binomial.
func atMost(k, n int, p *big.Float) *big.Float {
	if k >= n {
		return whole1()
	}
	q := number().Sub(whole1(), p)
	if q.Sign() == 0 {
		return number()
	}
	term := power(q, n) // of no deviation
	sum := number().Set(term)
	ratio := number().Quo(p, q)
	for i := 1; i <= k; i++ {
		term.Mul(term, ratio)
		term.Mul(term, number().SetInt64(int64(n-i+1)))
		term.Quo(term, number().SetInt64(int64(i)))
		sum.Add(sum, term)
	}
	return sum
}

// atMostOf is the probability of at most k deviations in a sample of n out of a population of
// size, of which bad are deviations: hypergeometric.
func atMostOf(k, n, size, bad int) *big.Float {
	good := size - bad
	lowest := max(0, n-good) // the sample cannot hold fewer
	if k < lowest {
		return number()
	}
	if k >= min(n, bad) {
		return whole1()
	}
	term := number().Quo(ways(bad, lowest), ways(size, n))
	term.Mul(term, ways(good, n-lowest))
	sum := number().Set(term)
	for i := lowest + 1; i <= k; i++ {
		term.Mul(term, number().SetInt64(int64(bad-i+1)*int64(n-i+1)))
		term.Quo(term, number().SetInt64(int64(i)*int64(good-n+i)))
		sum.Add(sum, term)
	}
	return sum
}

// ways is in how many ways k of n items can be picked.
func ways(n, k int) *big.Float {
	return number().SetInt(new(big.Int).Binomial(int64(n), int64(k)))
}

// power is x to the n-th, by squaring.
func power(x *big.Float, n int) *big.Float {
	out, square := whole1(), number().Set(x)
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			out.Mul(out, square)
		}
		square.Mul(square, square)
	}
	return out
}
