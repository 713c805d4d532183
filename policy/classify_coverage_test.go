package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// without are the catalogue's agents with one thing less by which one of them is recognised,
// for each such thing, and its name. Mentions are left out: they tell who asked, not who wrote.
func without(agents []Agent, each func(what string, less []Agent)) {
	for i := range agents {
		whole := reflect.ValueOf(agents[i])
		for f := range whole.NumField() {
			name, list := whole.Type().Field(f).Name, whole.Field(f)
			if list.Kind() != reflect.Slice || name == "Mentions" {
				continue
			}
			for k := range list.Len() {
				if slug, bot := strings.CutSuffix(fmt.Sprint(list.Index(k)), "[bot]"); bot && slices.Contains(agents[i].Apps, slug) {
					continue // the App's slug says the same
				}
				less := slices.Clone(agents)
				rest := reflect.AppendSlice(reflect.MakeSlice(list.Type(), 0, list.Len()), list.Slice(0, k))
				rest = reflect.AppendSlice(rest, list.Slice(k+1, list.Len()))
				reflect.ValueOf(&less[i]).Elem().Field(f).Set(rest)
				each(fmt.Sprintf("%s, %s %v", agents[i].Name, name, list.Index(k)), less)
			}
		}
	}
}

// Every id, login, App, address, name and shape of the catalogue is what some case is recognised
// by: without it the case comes out otherwise.
func TestEveryMarkerHasACase(t *testing.T) {
	cases := classifyCases(t)
	var traces []Traces
	var want []Classification
	for _, c := range cases {
		traces = append(traces, c.traces())
		want = append(want, Classify(Builtin(), c.traces()))
	}
	n := 0
	without(Builtin().Agents(), func(what string, less []Agent) {
		n++
		c := newCatalogue(Builtin().Revision(), BuiltinSource(), less, nil, nil)
		for i := range traces {
			if !reflect.DeepEqual(Classify(c, traces[i]), want[i]) {
				return
			}
		}
		t.Errorf("testdata/classify has no case that needs %s", what)
	})
	if n < 200 {
		t.Errorf("only %d markers were tried", n)
	}
}
