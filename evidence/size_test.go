package evidence

import (
	"errors"
	"fmt"
	"math/big"
	"testing"
)

const (
	percent    = Rate(1000)
	ninety     = 90 * percent
	ninetyfive = 95 * percent
)

// The sizes of the tables that auditors use, for k allowed deviations, at 90% and 95%.
func TestSizesOfTheTables(t *testing.T) {
	for tolerable, want := range map[Rate][4][2]int{
		3: {{76, 99}, {129, 157}, {176, 208}, {221, 257}}, 5: {{45, 59}, {77, 93}, {105, 124}, {132, 153}},
		6: {{38, 49}, {64, 78}, {88, 103}, {110, 127}}, 7: {{32, 42}, {55, 66}, {75, 88}, {94, 109}},
		8: {{28, 36}, {48, 58}, {65, 77}, {82, 95}}, 10: {{22, 29}, {38, 46}, {52, 61}, {65, 76}},
		15: {{15, 19}, {25, 30}, {34, 40}, {43, 50}},
	} {
		for k, sizes := range want {
			for i, confidence := range []Rate{ninety, ninetyfive} {
				risk := (whole - confidence).share()
				n := k + 1
				for atMost(k, n, (tolerable*percent).share()).Cmp(risk) > 0 {
					n++
				}
				if n != sizes[i] {
					t.Errorf("%s tolerable, %d deviations, %s: got %d, want %d", tolerable*percent, k, confidence, n, sizes[i])
				}
			}
		}
	}
}

func TestSampleSize(t *testing.T) {
	for _, tt := range []struct {
		plan       Plan
		n, allowed int
	}{
		{Plan{0, ninetyfive, 5 * percent, 0}, 59, 0},
		{Plan{0, ninety, 10 * percent, 0}, 22, 0},
		{Plan{0, ninetyfive, 5 * percent, percent}, 93, 1},
		{Plan{150, ninetyfive, 5 * percent, 0}, 46, 0},
		{Plan{50, ninety, 10 * percent, 0}, 18, 0},
		{Plan{100, ninety, 10 * percent, 0}, 20, 0},
		{Plan{250, ninety, 10 * percent, 0}, 21, 0},
		{Plan{500, ninety, 10 * percent, 0}, 22, 0},
		{Plan{50, ninetyfive, 5 * percent, 0}, 31, 0},
		{Plan{100, ninetyfive, 5 * percent, 0}, 45, 0},
		{Plan{250, ninetyfive, 5 * percent, 0}, 51, 0},
		{Plan{500, ninetyfive, 5 * percent, 0}, 56, 0},
		{Plan{1000, ninetyfive, 5 * percent, 0}, 57, 0},
		{Plan{1, ninetyfive, 5 * percent, 0}, 1, 0},
		{Plan{3, ninetyfive, 5 * percent, 0}, 3, 0},
	} {
		if got, err := SampleSize(tt.plan); err != nil || got.N != tt.n || got.Allowed != tt.allowed {
			t.Errorf("%+v: got %+v, %v, want %d with %d", tt.plan, got, err, tt.n, tt.allowed)
		}
	}
	for _, p := range []Plan{
		{0, 0, percent, 0}, {0, whole, percent, 0}, {0, ninety, 0, 0}, {0, ninety, whole, 0}, {0, ninety, percent, percent}, {0, ninety, percent, -1},
		{-1, ninety, percent, 0}, {0, 99999, 1, 0},
	} {
		if got, err := SampleSize(p); !errors.Is(err, ErrPlan) {
			t.Errorf("%+v: got %+v, %v, want ErrPlan", p, got, err)
		}
	}
}

// Upper rates in percent with one decimal, rounded, as the tables print them, at 90% and 95%.
func TestUpperRates(t *testing.T) {
	for n, want := range map[int][5][2]string{
		20:  {{"10.9", "13.9"}, {"18.1", "21.6"}, {"24.5", "28.3"}, {"30.4", "34.4"}, {"36.1", "40.1"}},
		25:  {{"8.8", "11.3"}, {"14.7", "17.6"}, {"19.9", "23.1"}, {"24.8", "28.2"}, {"29.5", "33.0"}},
		40:  {{"5.6", "7.2"}, {"9.4", "11.3"}, {"12.8", "14.9"}, {"15.9", "18.3"}, {"19.0", "21.4"}},
		60:  {{"3.8", "4.9"}, {"6.3", "7.7"}, {"8.6", "10.1"}, {"10.8", "12.4"}, {"12.9", "14.6"}},
		77:  {{"2.9", "3.8"}, {"5.0", "6.0"}, {"6.8", "8.0"}, {"8.5", "9.8"}, {"10.1", "11.5"}},
		93:  {{"2.4", "3.2"}, {"4.1", "5.0"}, {"5.6", "6.6"}, {"7.0", "8.1"}, {"8.4", "9.6"}},
		100: {{"2.3", "3.0"}, {"3.8", "4.7"}, {"5.2", "6.2"}, {"6.6", "7.6"}, {"7.8", "8.9"}},
	} {
		for k, rates := range want {
			for i, confidence := range []Rate{ninety, ninetyfive} {
				got, err := UpperRate(0, n, k, confidence)
				if err != nil {
					t.Fatal(err)
				}
				// Within the last digit: the tables round, this rounds up.
				var table Rate
				if err := table.UnmarshalText([]byte(rates[i])); err != nil {
					t.Fatal(err)
				}
				if got < table-50 || got > table+51 {
					t.Errorf("%d of %d at %s: got %s, want about %s", k, n, confidence, got, rates[i])
				}
			}
		}
	}
	if got, err := UpperRate(0, 100, 5, ninetyfive); err != nil || got != 10_226 {
		t.Errorf("5 of 100: got %s, %v, want 10.226%%", got, err)
	}
	if got, err := UpperRate(0, 25, 25, ninety); err != nil || got != whole {
		t.Errorf("all of them: got %s, %v", got, err)
	}
	if got, err := UpperRate(40, 40, 3, ninety); err != nil || got != 7500 {
		t.Errorf("the whole population: got %s, %v, want 7.5%%, exactly what was found", got, err)
	}
	for _, bad := range [][3]int{{0, 0, 0}, {0, 5, 6}, {0, 5, -1}, {4, 5, 0}, {-1, 5, 0}} {
		if _, err := UpperRate(bad[0], bad[1], bad[2], ninety); !errors.Is(err, ErrPlan) {
			t.Errorf("%v: got %v, want ErrPlan", bad, err)
		}
	}
}

// The chances are those of counting all samples of a small population.
func TestChancesByCounting(t *testing.T) {
	for size := 1; size <= 9; size++ {
		for bad := 0; bad <= size; bad++ {
			for n := 1; n <= size; n++ {
				for k := 0; k <= n; k++ {
					good, all := 0, 0
					for pick := range 1 << size { // the first bad items are the deviations
						picked, deviations := 0, 0
						for i := range size {
							if pick>>i&1 == 1 {
								picked++
								if i < bad {
									deviations++
								}
							}
						}
						if picked == n {
							all++
							if deviations <= k {
								good++
							}
						}
					}
					want := number().SetRat(big.NewRat(int64(good), int64(all)))
					if diff := number().Sub(atMostOf(k, n, size, bad), want); diff.Abs(diff).Cmp(big.NewFloat(1e-60)) > 0 {
						t.Fatalf("at most %d of %d, with %d bad of %d: got %v, want %d/%d", k, n, bad, size, atMostOf(k, n, size, bad), good, all)
					}
				}
			}
		}
	}
}

// A large population is as one without end, and what a sample size promises its evaluation keeps.
func TestSizesAndRatesAgree(t *testing.T) {
	for _, tolerable := range []Rate{3 * percent, 5 * percent, 7500, 10 * percent} {
		for _, expected := range []Rate{0, percent, 2 * percent} {
			for _, population := range []int{0, 80, 400, 5000} {
				name := fmt.Sprintf("%s of %d, %s expected", tolerable, population, expected)
				s, err := SampleSize(Plan{population, ninetyfive, tolerable, expected})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if s.N == population {
					continue
				}
				upper, err := UpperRate(population, s.N, s.Allowed, ninetyfive)
				if err != nil || upper > tolerable {
					t.Errorf("%s: a sample of %d with %d deviations shows %s, %v", name, s.N, s.Allowed, upper, err)
				}
				if more, err := UpperRate(population, s.N, s.Allowed+1, ninetyfive); err != nil || more <= tolerable {
					t.Errorf("%s: a sample of %d with one deviation too many shows %s, %v", name, s.N, more, err)
				}
			}
		}
	}
}

func TestRates(t *testing.T) {
	for text, want := range map[string]Rate{"5": 5000, "5%": 5000, "2.5%": 2500, "0.001": 1, "100": whole, "0": 0, "99.9%": 99_900} {
		var r Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%q: got %d, %v, want %d", text, r, err, want)
		}
	}
	for _, bad := range []string{"", "%", ".5", "101", "5.0001", "-1", "+1", "1e2", "0x1", "1_0", "5%%", " 5"} {
		var r Rate
		if err := r.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is read as %d", bad, r)
		}
	}
	for r, want := range map[Rate]string{5000: "5%", 2500: "2.5%", 1: "0.001%", whole: "100%", 0: "0%", 10_226: "10.226%"} {
		if got := r.String(); got != want {
			t.Errorf("%d: got %q, want %q", int64(r), got, want)
		}
	}
}

// The search skips sizes and finds what trying each of them finds.
func TestSampleSizeIsTheSmallest(t *testing.T) {
	for _, p := range []Plan{
		{0, ninety, 10 * percent, 3 * percent}, {0, ninetyfive, 8 * percent, 4 * percent}, {0, ninetyfive, 5 * percent, 0},
		{300, ninety, 10 * percent, 3 * percent}, {1000, ninetyfive, 6 * percent, 2 * percent}, {77, ninetyfive, 7 * percent, percent},
	} {
		got, err := SampleSize(p)
		if err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
		risk := (whole - p.Confidence).share()
		for n := 1; n < got.N; n++ {
			smaller := Size{N: n, Allowed: roundedUp(p.Expected, n), Distribution: got.Distribution, Deviations: got.Deviations}
			if smaller.chance(p).Cmp(risk) <= 0 {
				t.Errorf("%+v: got %d, and %d is enough", p, got.N, n)
				break
			}
		}
	}
}
