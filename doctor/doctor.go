// Package doctor examines an installation and says what is wrong with it: the server's settings,
// clock, database, keys and certificates, the App on GitHub, and of every repository its policy, how
// its branches are protected and who could approve.
//
// It only reads. What could not be looked at is a finding too: nothing is well because it was not seen.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/countersign/countersign"
	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/store"
)

// Severities of findings.
const (
	High   = "high"   // it does not work, or what is merged is not held
	Medium = "medium" // it will not work for long, or for everybody
	Low    = "low"    // somebody should know
)

// What is looked at. docs/doctor.md says of each what is wrong when it is found.
const (
	checkSettings          = "settings"
	checkClock             = "clock"
	checkGitHub            = "github"
	checkTLS               = "tls"
	checkPublicURL         = "public-url"
	checkFileMode          = "file-mode"
	checkDatabase          = "database"
	checkSpace             = "database-space"
	checkSigningKey        = "signing-key"
	checkLedger            = "ledger"
	checkBucket            = "bucket"
	checkAppKey            = "app-key"
	checkAppPermission     = "app-permission"
	checkAppEvent          = "app-event"
	checkWebhook           = "webhook"
	checkDeliveries        = "deliveries"
	checkInstallation      = "installation"
	checkGrantedPermission = "installation-permission"
	checkGrantedEvent      = "installation-event"
	checkPolicy            = "policy"
	checkProtection        = "protection"
	checkBypass            = "bypass"
	checkTeam              = "team"
	checkImpostor          = "impostor-check"
)

// Finding is one thing that is wrong.
type Finding struct {
	Severity string `json:"severity"`
	// Check is what was looked at, by the names of docs/doctor.md.
	Check string `json:"check"`
	// Subject is what it is wrong with: a setting, an organisation, a repository and a branch.
	Subject string `json:"subject"`
	What    string `json:"what"`
	// Remedy is what to change, and Link where on GitHub; empty: it is not changed there.
	Remedy string `json:"remedy"`
	Link   string `json:"link,omitempty"`
}

// Observed is something that was seen and is not wrong: who may bypass a branch, which TLS is spoken.
type Observed struct {
	Check   string `json:"check"`
	Subject string `json:"subject"`
	What    string `json:"what"`
}

// Report is what an examination found.
type Report struct {
	At time.Time `json:"at"` // UTC, to the second
	// Findings are ordered by severity, and within one as they were found.
	Findings []Finding  `json:"findings"`
	Observed []Observed `json:"observed"`
	// Organisations, Repositories and Branches are how many were looked at.
	Organisations int `json:"organisations"`
	Repositories  int `json:"repositories"`
	Branches      int `json:"branches"`
}

// AboveLow is how many findings are more than something to know.
func (r Report) AboveLow() int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity != Low {
			n++
		}
	}
	return n
}

// Settings are what an examination needs to know and may not find out by itself.
type Settings struct {
	// Load reads the settings of the server.
	Load func() (*config.Config, error)
	// Manifest is what the App must ask for, and HookPath where the server takes deliveries.
	Manifest countersign.Manifest
	HookPath string
	// Organisation is a login; empty: every organisation that has the App.
	Organisation string
	// Free is how many bytes are free where a folder is.
	Free func(folder string) (int64, error)
	// UserAgent is sent to GitHub, and Now is the clock.
	UserAgent string
	Now       func() time.Time
	// Looked is told how many repositories of an organisation were looked at.
	Looked func(done, total int64)
}

// examination is one under way.
type examination struct {
	Settings
	cfg    *config.Config
	report Report
	probes *http.Client
	github *gh.Connection
	app    gh.Registration
	store  *store.Store // nil: it could not be opened
	// budget is true when GitHub answers no more for now.
	budget bool
}

// Examine looks at everything. What it cannot look at is in the report.
func Examine(ctx context.Context, s Settings) Report {
	e := &examination{Settings: s, probes: probing(), report: Report{At: s.Now().UTC().Truncate(time.Second), Findings: []Finding{}, Observed: []Observed{}}}
	if e.settings() {
		e.githubEndpoint(ctx)
		e.certificate()
		e.publicURL(ctx)
		e.files()
		e.database(ctx)
		e.bucket(ctx)
		if e.registration(ctx) {
			e.webhook(ctx)
			e.deliveries(ctx)
			e.organisations(ctx)
		}
		e.close()
	}
	rank := map[string]int{High: 0, Medium: 1, Low: 2}
	slices.SortStableFunc(e.report.Findings, func(a, b Finding) int { return cmp.Compare(rank[a.Severity], rank[b.Severity]) })
	return e.report
}

func (e *examination) find(f Finding) { e.report.Findings = append(e.report.Findings, f) }

func (e *examination) observe(check, subject, format string, args ...any) {
	e.report.Observed = append(e.report.Observed, Observed{check, subject, fmt.Sprintf(format, args...)})
}
