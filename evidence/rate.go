package evidence

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Rate is a share in thousandths of a percent: 5% is 5,000, all is 100,000.
type Rate int64

// whole is 100%.
const whole Rate = 100_000

// MarshalText writes "5%" or "2.5%".
func (r Rate) MarshalText() ([]byte, error) {
	s := fmt.Sprintf("%d.%03d", r/1000, r%1000)
	return []byte(strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "%"), nil
}

// UnmarshalText reads a percentage with up to three decimals, with or without "%", from 0 to 100.
func (r *Rate) UnmarshalText(text []byte) error {
	before, after, _ := strings.Cut(strings.TrimSuffix(string(text), "%"), ".")
	if len(after) > 3 || len(before) == 0 || len(before) > 3 || strings.ContainsAny(before+after, "+-_") {
		return fmt.Errorf("%q is not a percentage with up to three decimals", text)
	}
	n, err := strconv.ParseInt(before+after+strings.Repeat("0", 3-len(after)), 10, 64)
	if err != nil || Rate(n) > whole {
		return fmt.Errorf("%q is not a percentage from 0 to 100", text)
	}
	*r = Rate(n)
	return nil
}

// String is what MarshalText writes.
func (r Rate) String() string {
	text, err := r.MarshalText()
	if err != nil {
		return strconv.FormatInt(int64(r), 10)
	}
	return string(text)
}

// share is the rate as a number from 0 to 1.
func (r Rate) share() *big.Float {
	return number().SetRat(big.NewRat(int64(r), int64(whole)))
}
