package evidence

import (
	"errors"
	"fmt"
	"math/big"
	"sort"
)

// Plan is what a sample has to show.
type Plan struct {
	// Population is how many items there are; 0: so many that it does not matter.
	Population int `json:"population"`
	// Confidence is how sure the auditor wants to be, for example 95%.
	Confidence Rate `json:"confidence"`
	// Tolerable is the rate of deviations up to which the control is relied on.
	Tolerable Rate `json:"tolerable"`
	// Expected is the rate that is expected to be found, below Tolerable.
	Expected Rate `json:"expected"`
}

// Size is a sample size with the deviations that it may hold.
type Size struct {
	N int `json:"n"`
	// Allowed is how many deviations the sample may hold and still support the plan.
	Allowed int `json:"allowed_deviations"`
	// Distribution is "binomial" or "hypergeometric".
	Distribution string `json:"distribution"`
	// Deviations is how many there would be in the population at the tolerable rate, rounded up;
	// 0 for the binomial distribution.
	Deviations int `json:"deviations_at_tolerable_rate,omitempty"`
}

// The distributions that sizes and rates are worked out with.
const (
	Binomial       = "binomial"
	Hypergeometric = "hypergeometric"
)

// maxSize bounds the search: a plan that needs more is no plan.
const maxSize = 20_000

// ErrPlan: no sample shows what the plan asks for.
var ErrPlan = errors.New("the plan cannot be met")

// SampleSize is the smallest sample of which the plan's deviations are so unlikely, if the
// population were as bad as tolerable, that the plan's confidence is reached. As many deviations
// are allowed as are expected, rounded up. For a finite population it is worked out without
// replacement, with the tolerable number of deviations rounded up. It returns ErrPlan when no
// sample does, short of the whole population.
func SampleSize(p Plan) (Size, error) {
	switch {
	case p.Confidence <= 0 || p.Confidence >= whole:
		return Size{}, fmt.Errorf("%w: the confidence is %s, want more than 0 and less than 100%%", ErrPlan, p.Confidence)
	case p.Tolerable <= 0 || p.Tolerable >= whole:
		return Size{}, fmt.Errorf("%w: the tolerable rate is %s, want more than 0 and less than 100%%", ErrPlan, p.Tolerable)
	case p.Expected < 0 || p.Expected >= p.Tolerable:
		return Size{}, fmt.Errorf("%w: the expected rate %s is not below the tolerable rate %s", ErrPlan, p.Expected, p.Tolerable)
	case p.Population < 0:
		return Size{}, fmt.Errorf("%w: a population of %d", ErrPlan, p.Population)
	}
	s := Size{Distribution: Binomial}
	most := maxSize
	if p.Population > 0 {
		s.Distribution, s.Deviations = Hypergeometric, roundedUp(p.Tolerable, p.Population)
		most = min(most, p.Population)
	}
	risk := (whole - p.Confidence).share()
	enough := func(n int) bool {
		s.N = n
		return s.chance(p).Cmp(risk) <= 0
	}
	for from := 1; from <= most; {
		// Of the sizes that allow the same deviations, a larger one never shows less.
		s.Allowed = roundedUp(p.Expected, from)
		past := from + sort.Search(most+1-from, func(i int) bool { return roundedUp(p.Expected, from+i) > s.Allowed })
		n := from + sort.Search(past-from, func(i int) bool { return enough(from + i) })
		if n < past {
			s.N = n
			return s, nil
		}
		from = past
	}
	if p.Population > 0 && p.Population <= maxSize {
		// All of it leaves no risk of sampling.
		s.N, s.Allowed = p.Population, s.Deviations-1
		return s, nil
	}
	return Size{}, fmt.Errorf("%w: it takes more than %d items", ErrPlan, maxSize)
}

// chance is how likely the sample is to hold no more deviations than allowed, if the population
// were as bad as tolerable.
func (s Size) chance(p Plan) *big.Float {
	if s.Distribution == Hypergeometric {
		return atMostOf(s.Allowed, s.N, p.Population, s.Deviations)
	}
	return atMost(s.Allowed, s.N, p.Tolerable.share())
}

// roundedUp is a rate of n items, in whole items.
func roundedUp(r Rate, n int) int {
	return int((int64(r)*int64(n) + int64(whole) - 1) / int64(whole))
}

// UpperRate is the rate of deviations in the population that is not exceeded with the given
// confidence, after deviations were found in a sample of n: one-sided Clopper-Pearson, or for a
// finite population (0: it is without end) its counterpart without replacement. It is rounded up
// to a thousandth of a percent.
func UpperRate(population, n, deviations int, confidence Rate) (Rate, error) {
	switch {
	case n <= 0 || deviations < 0 || deviations > n || population < 0 || population > 0 && n > population:
		return 0, fmt.Errorf("%w: %d deviations in %d of %d items", ErrPlan, deviations, n, population)
	case confidence <= 0 || confidence >= whole:
		return 0, fmt.Errorf("%w: the confidence is %s, want more than 0 and less than 100%%", ErrPlan, confidence)
	case deviations == n && population == 0:
		return whole, nil
	}
	risk := (whole - confidence).share()
	if population > 0 {
		return upperOf(population, n, deviations, risk), nil
	}
	// The smallest rate at which so few deviations are no likelier than the risk.
	low, high := Rate(0), whole
	for high-low > 1 {
		if middle := (low + high) / 2; atMost(deviations, n, middle.share()).Cmp(risk) <= 0 {
			high = middle
		} else {
			low = middle
		}
	}
	return high, nil
}

// upperOf is the rate of the largest number of deviations in the population that so few in the
// sample do not speak against.
func upperOf(population, n, deviations int, risk *big.Float) Rate {
	low, high := deviations, population-(n-deviations)+1 // the first is possible, the last is not
	for high-low > 1 {
		if middle := (low + high) / 2; atMostOf(deviations, n, population, middle).Cmp(risk) > 0 {
			low = middle
		} else {
			high = middle
		}
	}
	return Rate((int64(low)*int64(whole) + int64(population) - 1) / int64(population))
}
