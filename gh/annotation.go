package gh

import "fmt"

// MaxAnnotations is how many annotations one write of a check run can carry.
const MaxAnnotations = 50

// Annotation marks a line of a file on the pull request. GitHub adds the annotations of every
// write to those that the check run has.
type Annotation struct {
	Path    string
	Line    int    // from 1
	Column  int    // from 1; 0: the whole line
	Level   string // "notice", "warning" or "failure"
	Message string // at most 64 KB
}

type annotationBody struct {
	Path        string `json:"path"`
	StartLine   int    `json:"start_line"`
	EndLine     int    `json:"end_line"`
	StartColumn int    `json:"start_column,omitempty"`
	EndColumn   int    `json:"end_column,omitempty"`
	Level       string `json:"annotation_level"`
	Message     string `json:"message"`
}

// newAnnotations refuses what GitHub would refuse.
func newAnnotations(list []Annotation) ([]annotationBody, error) {
	if len(list) > MaxAnnotations {
		return nil, fmt.Errorf("%d annotations, at most %d", len(list), MaxAnnotations)
	}
	var out []annotationBody
	for _, a := range list {
		if a.Path == "" || a.Line < 1 || a.Column < 0 || a.Message == "" || len(a.Message) > 64<<10 {
			return nil, fmt.Errorf("annotation of %q on line %d, column %d with %d bytes of message", a.Path, a.Line, a.Column, len(a.Message))
		}
		switch a.Level {
		case "notice", "warning", "failure":
		default:
			return nil, fmt.Errorf("annotation level %q", a.Level)
		}
		out = append(out, annotationBody{
			Path: a.Path, StartLine: a.Line, EndLine: a.Line, StartColumn: a.Column, EndColumn: a.Column, Level: a.Level, Message: valid(a.Message),
		})
	}
	return out, nil
}
