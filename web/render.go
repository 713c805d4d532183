package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

//go:embed *.html
var pageFiles embed.FS

//go:embed static
var staticFiles embed.FS

// templates are the pages by file name, each with the layout.
type templates map[string]*template.Template

func parsePages() (templates, error) {
	files, err := fs.Glob(pageFiles, "*.html")
	if err != nil {
		return nil, err
	}
	out := templates{}
	for _, name := range files {
		if name == "layout.html" {
			continue
		}
		t, err := template.New(name).Funcs(words).ParseFS(pageFiles, "layout.html", name)
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", name, err)
		}
		out[name] = t.Option("missingkey=error")
	}
	return out, nil
}

// words are what templates write things with.
var words = template.FuncMap{
	"moment":  moment,
	"day":     func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
	"short":   shortSHA,
	"words":   func(s string) string { return strings.NewReplacer("_", " ", "-", " ").Replace(s) },
	"rule":    policy.RuleInWords,
	"class":   classInWords,
	"verdict": verdictInWords,
	"tone":    tone,
	"size":    size,
	"section": func(f frame, path, name string) section {
		return section{"/orgs/" + url.PathEscape(f.Org) + "/" + path, name, f.Section == path}
	},
	"is": func(have, want any) bool { return fmt.Sprint(have) == fmt.Sprint(want) },
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// size is a number of bytes as people read it.
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1_000_000:
		return fmt.Sprintf("%d kB", (n+999)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

func shortSHA(s string) string { return s[:min(len(s), 7)] }

// classInWords says who wrote a change, as far as is known.
func classInWords(class string) string {
	switch policy.Class(class) {
	case policy.ClassAgent:
		return "written by an agent"
	case policy.ClassAssisted:
		return "written with an agent"
	case policy.ClassSuggestion:
		return "with accepted suggestions of an agent"
	case policy.ClassAutomation:
		return "written by automation"
	case policy.ClassPlatform:
		return "made by GitHub itself"
	case policy.ClassUndetected:
		return "no agent indicator found"
	}
	return "not decided"
}

func verdictInWords(verdict string) string {
	switch policy.Verdict(verdict) {
	case policy.VerdictPass:
		return "passes"
	case policy.VerdictWaiting:
		return "waits"
	case policy.VerdictFail:
		return "held"
	case policy.VerdictRepair:
		return "needs a repair"
	}
	return "could not be decided"
}

// tone is how a verdict or an outcome is shown.
func tone(of string) string {
	switch of {
	case "pass", "success", "yes":
		return "good"
	case "fail", "repair", "no", "high":
		return "bad"
	}
	return "open"
}

// frame is what all pages have around them.
type frame struct {
	Title   string
	Path    string // of this page, for signing in and back
	Version string
	Person  string // login, or the auditor's name; empty: nobody is signed in
	Auditor bool
	Org     string // login of the organisation; empty: the page is of none
	Role    store.Role
	Section string // which of the organisation's sections it belongs to
}

// Whole says whether the page's reader sees all of the organisation.
func (f frame) Whole() bool { return f.Role != "" && f.Role != store.RoleViewer }

// Manages says whether the page's reader can change something about it.
func (f frame) Manages() bool { return f.Role == store.RoleCompliance || f.Role == store.RoleAdmin }

// section is a link to one of an organisation's sections.
type section struct {
	Link, Name string
	Here       bool
}

type rendered struct {
	Frame frame
	Page  any
}

// render sends a page, or, if it cannot be made, says so: never half of it.
func (s *Site) render(w http.ResponseWriter, status int, name string, f frame, data any) {
	f.Version = s.Version
	var b bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&b, "layout.html", rendered{f, data}); err != nil {
		s.Log.Error().Err(err).Str("page", name).Msg("a page could not be made")
		http.Error(w, "This page could not be made. The server's log says more.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write(bytes.Map(visible, b.Bytes())); err != nil {
		s.Log.Debug().Err(err).Str("page", name).Msg("a page was not taken")
	}
}

// visible replaces characters that cannot be seen, or that change how others are seen.
func visible(r rune) rune {
	if r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) {
		return '�'
	}
	return r
}

// static serves the style sheet and the script, whose names change with what is in them.
func static() http.Handler {
	files := http.FileServerFS(staticFiles)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Ext(r.URL.Path) == "" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=3600")
		files.ServeHTTP(w, r)
	})
}
