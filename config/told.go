package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Told is which exceptions are told one way: for each event, those of these severities, "high",
// "medium" and "low". An empty list: none. What is left out has the default of the way.
type Told struct {
	// Opened is for those that were opened. Default in Slack [high], by webhook all.
	Opened []string `yaml:"opened"`
	// Overdue is for those that were not settled in time. Default in Slack [high, medium], by
	// webhook all. What is of low severity has no time.
	Overdue []string `yaml:"overdue"`
}

var severities = []string{"high", "medium", "low"}

var (
	// quiet is what interrupts people: what is bad, and what was forgotten.
	quiet = Told{Opened: []string{"high"}, Overdue: []string{"high", "medium"}}
	// everything is for programs, which choose for themselves.
	everything = Told{Opened: severities, Overdue: severities}
)

// read checks what is told one way, whose address is in a file, and fills the defaults in.
func (t *Told) read(at, addressFile string, byDefault Told) error {
	if addressFile == "" {
		if t.Opened != nil || t.Overdue != nil {
			return fmt.Errorf("%s: says what is told, and not where\n  hint: name the file that holds the address, or leave this out", at)
		}
		return nil
	}
	if t.Opened == nil {
		t.Opened = byDefault.Opened
	}
	if t.Overdue == nil {
		t.Overdue = byDefault.Overdue
	}
	return errors.Join(checkSeverities(at+".opened", t.Opened), checkSeverities(at+".overdue", t.Overdue))
}

func checkSeverities(at string, list []string) error {
	for i, s := range list {
		if !slices.Contains(severities, s) || slices.Contains(list[:i], s) {
			return fmt.Errorf("%s: has %.40q, must be a list of %s, each once\n  hint: for example [high, medium]; [] tells nothing", at, s, strings.Join(severities, ", "))
		}
	}
	return nil
}
