package ghsim

import "strconv"

// itoa writes an id.
func itoa[N int | int64](n N) string { return strconv.FormatInt(int64(n), 10) }
