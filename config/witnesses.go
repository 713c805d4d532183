package config

import (
	"errors"
	"fmt"
	"strings"
)

// Witness is somebody who cosigns checkpoints: https://c2sp.org/tlog-witness.
type Witness struct {
	// Key is its public key, "name+hash+base64", as it publishes it.
	Key string `yaml:"key"`
	// URL is its submission prefix: checkpoints go to URL/add-checkpoint.
	URL string `yaml:"url"`
}

// checkWitnesses says what is wrong with the witnesses.
func (c *Config) checkWitnesses() error {
	var problems []error
	seen := map[string]bool{}
	for i, w := range c.Witnesses {
		at := fmt.Sprintf("config: witnesses[%d]", i)
		if strings.Count(w.Key, "+") < 2 || seen[w.Key] {
			problems = append(problems, errors.New(at+".key: is no public key, or stands twice\n  hint: it looks like witness.example.com+8a2c9f01+BASE64; the witness publishes it"))
		}
		seen[w.Key] = true
		if err := checkReceiver(w.URL); err != nil {
			problems = append(problems, fmt.Errorf("%s.url: %w", at, err))
		}
	}
	return errors.Join(problems...)
}
