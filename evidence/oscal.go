package evidence

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The documents in NIST's OSCAL. https://pages.nist.gov/OSCAL/resources/concepts/layer/assessment/
const (
	fileOSCALPlan    = "oscal-assessment-plan.json"
	fileOSCALResults = "oscal-assessment-results.json"
	oscalVersion     = "1.1.2"
	// oscalNamespace is that of our own properties.
	oscalNamespace = "https://github.com/countersign/countersign/ns/oscal"
)

type oscalMetadata struct {
	Title        string    `json:"title"`
	LastModified time.Time `json:"last-modified"`
	Version      string    `json:"version"`
	OSCALVersion string    `json:"oscal-version"`
	Remarks      string    `json:"remarks,omitempty"`
}

type oscalControl struct {
	ID string `json:"control-id"`
}

type oscalSelection struct {
	Description string         `json:"description"`
	Include     []oscalControl `json:"include-controls"`
}

type oscalReviewed struct {
	Selections []oscalSelection `json:"control-selections"`
}

type oscalPart struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Prose string `json:"prose"`
}

type oscalObjective struct {
	ControlID string      `json:"control-id"`
	Parts     []oscalPart `json:"parts"`
}

type oscalResource struct {
	UUID        string `json:"uuid"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

type oscalHref struct {
	Href string `json:"href"`
}

type oscalPlan struct {
	UUID      string        `json:"uuid"`
	Metadata  oscalMetadata `json:"metadata"`
	ImportSSP oscalHref     `json:"import-ssp"`
	Local     struct {
		Objectives []oscalObjective `json:"objectives-and-methods"`
	} `json:"local-definitions"`
	Reviewed   oscalReviewed `json:"reviewed-controls"`
	BackMatter struct {
		Resources []oscalResource `json:"resources"`
	} `json:"back-matter"`
}

type oscalProperty struct {
	Name  string `json:"name"`
	NS    string `json:"ns"`
	Value string `json:"value"`
}

type oscalEvidence struct {
	Href        string `json:"href"`
	Description string `json:"description"`
}

type oscalObservation struct {
	UUID        string          `json:"uuid"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Props       []oscalProperty `json:"props"`
	Methods     []string        `json:"methods"`
	Types       []string        `json:"types"`
	Evidence    []oscalEvidence `json:"relevant-evidence"`
	Collected   time.Time       `json:"collected"`
}

type oscalStatus struct {
	State   string `json:"state"`
	Reason  string `json:"reason"`
	Remarks string `json:"remarks"`
}

type oscalTarget struct {
	Type   string      `json:"type"`
	ID     string      `json:"target-id"`
	Status oscalStatus `json:"status"`
}

type oscalRelated struct {
	Observation string `json:"observation-uuid"`
}

type oscalFinding struct {
	UUID        string         `json:"uuid"`
	Title       string         `json:"title"`
	Description string         `json:"description"`
	Target      oscalTarget    `json:"target"`
	Related     []oscalRelated `json:"related-observations"`
}

type oscalResult struct {
	UUID         string             `json:"uuid"`
	Title        string             `json:"title"`
	Description  string             `json:"description"`
	Start        time.Time          `json:"start"`
	End          time.Time          `json:"end"`
	Reviewed     oscalReviewed      `json:"reviewed-controls"`
	Observations []oscalObservation `json:"observations"`
	Findings     []oscalFinding     `json:"findings,omitempty"`
}

type oscalResults struct {
	UUID     string        `json:"uuid"`
	Metadata oscalMetadata `json:"metadata"`
	ImportAP oscalHref     `json:"import-ap"`
	Results  []oscalResult `json:"results"`
}

// uuid is the same for the same log, query and name. RFC 9562, version 5.
func (f *findings) uuid(name string) (string, error) {
	query, err := json.Marshal(f.query)
	if err != nil {
		return "", fmt.Errorf("encode query: %w", err)
	}
	space, _ := hex.DecodeString("6ba7b8119dad11d180b400c04fd430c8") // of URLs
	sum := sha1.Sum(fmt.Appendf(space, "%s\n%s\n%d\n%s\n%s", oscalNamespace, f.log.Origin, f.log.Size, query, name))
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]), nil
}

// token is a name as OSCAL takes one: those of the organisation's own rules are more than that.
func token(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) || strings.ContainsRune("._-", r) {
			return r
		}
		return '_'
	}, s)
	if first, _ := utf8.DecodeRuneInString(s); !unicode.IsLetter(first) {
		s = "_" + s
	}
	return s
}

func (f *findings) oscalMetadata(title string) oscalMetadata {
	return oscalMetadata{
		Title: title, LastModified: f.log.AsOf.UTC(), Version: fmt.Sprintf("log-size-%d", f.log.Size), OSCALVersion: oscalVersion,
		Remarks: "The control ids are those of criteria, whose texts have an owner and are not in any catalogue here. The objectives are our own.",
	}
}

// assessed are the criteria that something is tested for.
func (f *findings) assessed() (list []criterion, reviewed oscalReviewed, err error) {
	c, err := f.controls()
	if err != nil {
		return nil, reviewed, err
	}
	list = slices.DeleteFunc(slices.Clone(c.Criteria), func(c criterion) bool { return len(c.Tests) == 0 })
	s := oscalSelection{Description: "Criteria for which the records of the log are tested."}
	for _, c := range list {
		s.Include = append(s.Include, oscalControl{token(c.ID)})
	}
	return list, oscalReviewed{[]oscalSelection{s}}, nil
}

// oscalPlan is a stub: results must name a plan.
func (f *findings) oscalPlan() ([]byte, error) {
	list, reviewed, err := f.assessed()
	if err != nil {
		return nil, err
	}
	p := oscalPlan{Metadata: f.oscalMetadata("Assessment plan: change management of " + f.organisation), Reviewed: reviewed}
	var none oscalResource
	if p.UUID, err = f.uuid("plan"); err == nil {
		none.UUID, err = f.uuid("system security plan")
	}
	if err != nil {
		return nil, err
	}
	none.Title, none.Description = "System security plan", "None is in this bundle: it is the organisation's."
	p.ImportSSP.Href, p.BackMatter.Resources = "#"+none.UUID, []oscalResource{none}
	for _, c := range list {
		o := oscalObjective{ControlID: token(c.ID)}
		for _, t := range c.Tests {
			o.Parts = append(o.Parts, oscalPart{token(t.ID), "objective", t.Asks + "."})
		}
		p.Local.Objectives = append(p.Local.Objectives, o)
	}
	return indented(struct {
		Plan oscalPlan `json:"assessment-plan"`
	}{p})
}

func (f *findings) oscalResults() ([]byte, error) {
	list, reviewed, err := f.assessed()
	if err != nil {
		return nil, err
	}
	r := oscalResult{
		Title: "Tests of the records of the period", Start: f.query.From.UTC(), End: f.query.To.UTC(), Reviewed: reviewed,
		Description: fmt.Sprintf("What the log %s says of the changes that reached enrolled branches of %s. %d changes, %d with deviations. What the records do not show is on the first page of the bundle, index.html.", f.log.Origin, f.organisation, f.counts.Population, f.counts.Deviations),
	}
	out := oscalResults{Metadata: f.oscalMetadata("Assessment results: change management of " + f.organisation), ImportAP: oscalHref{fileOSCALPlan}}
	if out.UUID, err = f.uuid("results"); err == nil {
		r.UUID, err = f.uuid("result")
	}
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		for _, t := range c.Tests {
			if err := r.add(f, t); err != nil {
				return nil, err
			}
		}
	}
	out.Results = []oscalResult{r}
	return indented(struct {
		Results oscalResults `json:"assessment-results"`
	}{out})
}

// add adds a test: what was observed and, if there was something to test, what follows.
func (r *oscalResult) add(f *findings, t testResult) error {
	o := oscalObservation{Title: t.Asks, Methods: []string{"TEST"}, Types: []string{"control-objective"}, Collected: f.log.AsOf.UTC()}
	o.Description = fmt.Sprintf("%s. Of %s: %d tested, %d deviations, %d exempt, %d not testable (%s).", t.Asks, t.Of, t.Tested, t.Deviations, t.Exempt, t.NotTestable, beforeInstallation)
	for _, p := range []struct {
		name  string
		value int
	}{{"tested", t.Tested}, {"deviations", t.Deviations}, {"exempt", t.Exempt}, {"not-testable", t.NotTestable}} {
		o.Props = append(o.Props, oscalProperty{p.name, oscalNamespace, strconv.Itoa(p.value)})
	}
	for _, file := range t.Evidence {
		o.Evidence = append(o.Evidence, oscalEvidence{file, "File of the bundle; its SHA-256 is in manifest.json."})
	}
	for _, item := range t.Items {
		o.Evidence = append(o.Evidence, oscalEvidence{item.Evidence, "Deviation: " + item.Title})
	}
	finding := oscalFinding{Title: t.Asks, Description: o.Description, Target: oscalTarget{Type: "objective-id", ID: token(t.ID), Status: oscalStatus{"satisfied", "pass", "No item that was tested deviated. This is no opinion on the control."}}}
	if t.Deviations > 0 {
		finding.Target.Status = oscalStatus{"not-satisfied", "fail", "Items that were tested deviated. What that means for the control is for the auditor to conclude."}
	}
	var err error
	if o.UUID, err = f.uuid("observation " + t.ID); err == nil {
		finding.UUID, err = f.uuid("finding " + t.ID)
	}
	if err != nil {
		return err
	}
	r.Observations = append(r.Observations, o)
	if t.Tested > 0 {
		finding.Related = []oscalRelated{{o.UUID}}
		r.Findings = append(r.Findings, finding)
	}
	return nil
}
