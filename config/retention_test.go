package config

import (
	"strings"
	"testing"
)

func TestRetention(t *testing.T) {
	load := func(src string) (*Config, error) {
		return Load("c.yml", env(good...), func(string) ([]byte, error) { return []byte(src), nil })
	}
	c, err := load("retention:\n  - {organisation: Acme, records: 2y, observations: 90d}\n  - {organisation: other, deliveries: forever, uninstalled: 1d}\n")
	if err != nil {
		t.Fatal(err)
	}
	for login, want := range map[string]Keep{
		"acme":    {Records: 730 * day, Observations: 90 * day, Deliveries: 30 * day, Uninstalled: 30 * day},
		"other":   {Uninstalled: day},
		"unnamed": {Deliveries: 30 * day, Uninstalled: 30 * day},
	} {
		if got := c.KeepOf(login); got != want {
			t.Errorf("%s: got %+v, want %+v", login, got, want)
		}
	}
	for name, src := range map[string]string{
		"records: is \"29d\"": "{organisation: a, records: 29d}", "observations: is \"2w\"": "{organisation: a, observations: 2w}", "deliveries: is \"0d\"": "{organisation: a, deliveries: 0d}",
		"uninstalled: is \"101y\"": "{organisation: a, uninstalled: 101y}", "records: is \"99999y\"": "{organisation: a, records: 99999y}",
		"organisation: is missing": "{records: 2y}", "stands twice": "{organisation: a}\n  - {organisation: A}",
	} {
		if _, err := load("retention:\n  - " + src + "\n"); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
