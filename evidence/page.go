package evidence

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"strings"
	"unicode"
)

// pageFiles are the templates of the pages, with their one style sheet.
//
//go:embed pages/*.html
var pageFiles embed.FS

// page makes a page of the template with this name. Pages have no scripts and load nothing, and
// show nothing that cannot be seen.
func page(name string, data any) ([]byte, error) {
	t, err := template.New(name).Funcs(template.FuncMap{"moment": moment, "short": shortSHA, "words": words}).ParseFS(pageFiles, "pages/layout.html", "pages/"+name)
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout.html", data); err != nil {
		return nil, fmt.Errorf("page %s: %w", name, err)
	}
	return bytes.Map(visible, b.Bytes()), nil
}

// visible replaces characters that cannot be seen, or that change how others are seen.
func visible(r rune) rune {
	if r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) {
		return '�'
	}
	return r
}

func shortSHA(s string) string {
	if len(s) > 7 {
		return s[:7]
	}
	return s
}

// words is a name of a state or a kind as people write it.
func words(s string) string { return strings.NewReplacer("_", " ", "-", " ").Replace(s) }
