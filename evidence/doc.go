// Package evidence is what auditors work with: how large a sample has to be, which items are in
// it, and what its deviations say about the whole population. It does no network and no
// database: an auditor's engineer runs it on their own machine and comes to the same numbers.
package evidence
