package config

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Retention is how long one organisation's data is kept. Each is a number of days or years, as in
// "90d" or "2y", or "forever".
type Retention struct {
	// Organisation is its login.
	Organisation string `yaml:"organisation"`
	// Records is how long the bodies of the log's records are kept: decisions with what they were
	// made from, merges, exceptions. At least 30d. Default "forever".
	Records string `yaml:"records"`
	// Observations is how long it is kept what events said. At least 30d. Default "forever".
	Observations string `yaml:"observations"`
	// Deliveries is how long the raw payloads of webhooks are kept; their digests stay. At least
	// 1d. Default "30d".
	Deliveries string `yaml:"deliveries"`
	// Uninstalled is how long everything is kept after the App was uninstalled. At least 1d.
	// Default "30d".
	Uninstalled string `yaml:"uninstalled"`

	// What they say; 0: forever.
	Keep Keep `yaml:"-"`
}

// Keep is how long what is kept; 0: forever.
type Keep struct{ Records, Observations, Deliveries, Uninstalled time.Duration }

const day = 24 * time.Hour

// DefaultKeep is how long the data of an organisation is kept that the settings do not name.
var DefaultKeep = Keep{Deliveries: 30 * day, Uninstalled: 30 * day}

var keptFor = regexp.MustCompile(`^([1-9][0-9]{0,4})([dy])$`)

// readRetention reads what the settings say of retention.
func (c *Config) readRetention() error {
	var problems []error
	seen := map[string]bool{}
	for i := range c.Retention {
		r, at := &c.Retention[i], fmt.Sprintf("config: retention[%d]", i)
		if login := strings.ToLower(r.Organisation); login == "" || seen[login] {
			problems = append(problems, errors.New(at+".organisation: is missing, or stands twice"))
		} else {
			seen[login] = true
		}
		r.Keep = DefaultKeep
		for _, f := range []struct {
			key, value string
			least      time.Duration
			into       *time.Duration
		}{
			// What is younger than a month may still be looked at: merges are compared with decisions.
			{"records", r.Records, 30 * day, &r.Keep.Records},
			{"observations", r.Observations, 30 * day, &r.Keep.Observations},
			{"deliveries", r.Deliveries, day, &r.Keep.Deliveries},
			{"uninstalled", r.Uninstalled, day, &r.Keep.Uninstalled},
		} {
			if f.value == "" {
				continue
			}
			keep, ok := parseKept(f.value)
			if !ok || keep != 0 && keep < f.least {
				problems = append(problems, fmt.Errorf("%s.%s: is %q, must be forever or at least %dd\n  hint: write days or years, for example 90d or 2y", at, f.key, f.value, f.least/day))
				continue
			}
			*f.into = keep
		}
	}
	return errors.Join(problems...)
}

// parseKept reads how long something is kept; 0: forever.
func parseKept(s string) (time.Duration, bool) {
	if s == "forever" {
		return 0, true
	}
	m := keptFor.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	days := n
	if m[2] == "y" {
		days = 365 * n
	}
	// A duration ends after some 290 years.
	return time.Duration(days) * day, err == nil && days <= 100*365
}

// KeepOf is how long the data of an organisation is kept.
func (c *Config) KeepOf(login string) Keep {
	for _, r := range c.Retention {
		if strings.EqualFold(r.Organisation, login) {
			return r.Keep
		}
	}
	return DefaultKeep
}
