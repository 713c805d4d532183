package ghsim

import "slices"

// Annotation is a mark that a check run puts on lines of a file.
type Annotation struct {
	Path               string
	StartLine, EndLine int
	Level              string
	Message            string
}

// annotationInput is an annotation as it is sent.
type annotationInput struct {
	Path        string `json:"path"`
	StartLine   int    `json:"start_line"`
	EndLine     int    `json:"end_line"`
	StartColumn *int   `json:"start_column"`
	EndColumn   *int   `json:"end_column"`
	Level       string `json:"annotation_level"`
	Message     string `json:"message"`
	Title       string `json:"title"`
	RawDetails  string `json:"raw_details"`
}

// maxAnnotations is how many annotations one request may carry. Every update adds its own to
// those that are there.
//
// Source: https://docs.github.com/rest/checks/runs#update-a-check-run
const maxAnnotations = 50

func checkAnnotations(list []annotationInput) error {
	if len(list) > maxAnnotations {
		return invalid("Invalid request. No more than 50 items are allowed; %d were supplied.", len(list))
	}
	for _, a := range list {
		switch {
		case a.Path == "" || a.Message == "" || a.StartLine < 1 || a.EndLine < a.StartLine:
			return invalid("Invalid request. An annotation needs path, start_line, end_line and message.")
		case !slices.Contains([]string{"notice", "warning", "failure"}, a.Level):
			return invalid("Invalid request. %q is not a valid annotation_level.", a.Level)
		case a.StartLine != a.EndLine && (a.StartColumn != nil || a.EndColumn != nil):
			return invalid("Invalid request. Columns need start_line and end_line to be the same.")
		case len(a.Message) > 64<<10 || len(a.Title) > 255:
			return invalid("Invalid request. An annotation is too long.")
		}
	}
	return nil
}

func annotationsOf(list []annotationInput) []Annotation {
	var out []Annotation
	for _, a := range list {
		out = append(out, Annotation{Path: a.Path, StartLine: a.StartLine, EndLine: a.EndLine, Level: a.Level, Message: a.Message})
	}
	return out
}
