package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseRegister(t *testing.T) {
	digest := strings.Repeat("0a", 32)
	got, err := ParseRegister([]byte(`version: 1
documents:
  - id: change-policy
    title: Change management policy
    controls: [CC8.1, CC5.2]
    owner: carol
    location: policies/change.md
    sha256: ` + digest + `
    review_by: "2027-01-31"
  - {id: pen-test, title: Penetration test, controls: [CC4.1], owner: carol, location: "https://wiki.example.com/pentest", review_by: "2026-12-31"}
`))
	if err != nil || len(got) != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	a, b := got[0], got[1]
	if a.Path != "policies/change.md" || a.URL != "" || a.SHA256 != digest || !slices.Equal(a.Controls, []string{"CC8.1", "CC5.2"}) || !a.ReviewBy.Equal(time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)) || a.Line != 3 {
		t.Errorf("got %+v", a)
	}
	if b.URL != "https://wiki.example.com/pentest" || b.Path != "" {
		t.Errorf("got %+v", b)
	}
	for found, want := range map[string]string{digest: RegisteredSame, strings.Repeat("1", 64): RegisteredChanged, "": RegisteredMissing} {
		if f := a.Found(found); f.State != want {
			t.Errorf("found %q: got %q, want %q", found, f.State, want)
		}
	}
	a.SHA256 = ""
	if f := a.Found(digest); f.State != RegisteredUnfixed {
		t.Errorf("without a digest: got %q", f.State)
	}
	if f := b.Found(""); f.State != RegisteredElsewhere {
		t.Errorf("elsewhere: got %q", f.State)
	}
}

func TestRegistersThatAreRefused(t *testing.T) {
	whole := `id: a, title: A, controls: [CC8.1], owner: carol, location: a.md, review_by: "2027-01-31"`
	for what, tt := range map[string]struct{ src, want string }{
		"nothing":            {"", "empty"},
		"no version":         {"documents: [{" + whole + "}]", "version"},
		"an unknown key":     {"version: 1\ndocuments: [{" + whole + ", colour: red}]", "colour"},
		"no owner":           {"version: 1\ndocuments: [{" + strings.Replace(whole, "owner: carol, ", "", 1) + "}]", "owner"},
		"an id twice":        {"version: 1\ndocuments: [{" + whole + "}, {" + whole + "}]", "there twice"},
		"no date":            {"version: 1\ndocuments: [{" + strings.Replace(whole, "2027-01-31", "soon", 1) + "}]", "is no date"},
		"a way out":          {"version: 1\ndocuments: [{" + strings.Replace(whole, "a.md", "../../etc/passwd", 1) + "}]", "neither a file"},
		"an absolute path":   {"version: 1\ndocuments: [{" + strings.Replace(whole, "a.md", "/etc/passwd", 1) + "}]", "neither a file"},
		"an unsafe address":  {"version: 1\ndocuments: [{" + strings.Replace(whole, "a.md", `"http://x.example"`, 1) + "}]", "neither a file"},
		"no digest":          {"version: 1\ndocuments: [{" + whole + ", sha256: abc}]", "is no SHA-256"},
		"too many documents": {"version: 1\ndocuments: [" + strings.Repeat("{"+whole+"}, ", maxRegistered+1) + "]", "at most"},
	} {
		_, err := ParseRegister([]byte(tt.src))
		var p *ParseError
		if !errors.As(err, &p) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", what, err, tt.want)
		}
	}
}
