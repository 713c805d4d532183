package gh

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// What can be wrong with a payload.
var (
	// ErrUnknownEvent: we do not handle events of this name. It is safe to acknowledge.
	ErrUnknownEvent = errors.New("event is not handled")
	// ErrPayload: the payload lacks something that we use, or has it in another shape.
	ErrPayload = errors.New("webhook payload cannot be used")
)

// Limits of strings, in bytes. They are far above what GitHub allows; what is longer is
// refused, because a name that was cut could equal another one.
const (
	maxWord       = 64 // states, types, actions
	maxLogin      = 255
	maxName       = 4096 // refs, paths, names of checks and labels
	maxExternalID = 65_535
	maxMentions   = 10_000  // repositories or pull requests in one event
	maxComment    = 2 << 10 // of a comment is kept
)

// HandledEvents lists the names of the events that Decode knows, sorted.
func HandledEvents() []string { return slices.Sorted(maps.Keys(details())) }

// details says, for each event that we handle, what is read beside the sender, the
// organisation and the repository. Nil: nothing.
func details() map[string]func(*decoder) {
	return map[string]func(*decoder){
		"pull_request":               (*decoder).pullRequestEvent,
		"pull_request_review":        (*decoder).reviewEvent,
		"pull_request_review_thread": (*decoder).pullRequest,
		"issue_comment":              (*decoder).comment,
		"issues":                     (*decoder).issueEvent,
		"check_run":                  (*decoder).checkRun,
		"check_suite":                (*decoder).checkSuite,
		"status":                     (*decoder).status,
		"workflow_run":               (*decoder).workflowRun,
		"merge_group":                (*decoder).mergeGroup,
		"push":                       (*decoder).push,
		"repository_ruleset":         (*decoder).ruleset,
		"installation":               (*decoder).installation,
		"installation_repositories":  (*decoder).installation,
		"installation_target":        (*decoder).installationTarget,

		"create": nil, "delete": nil, "repository": nil,
		"branch_protection_rule": nil, "branch_protection_configuration": nil,
		"custom_property_values": nil, "deployment_status": nil,
		"member": nil, "membership": nil, "team": nil, "team_add": nil, "organization": nil,
		"github_app_authorization": nil, "ping": nil,
	}
}

// Decode reads what we use of a payload. What we do not use may have any shape. It
// returns ErrUnknownEvent for an event that we do not handle, and ErrPayload, naming the
// field, for a payload that lacks what we use.
//
// It is our own because one odd field fails the whole event in go-github v62, and 13
// kinds of events are unknown there.
//
// Source: https://docs.github.com/webhooks/webhook-events-and-payloads
func Decode(event string, payload []byte) (Event, error) {
	detail, known := details()[event]
	if !known {
		return Event{}, fmt.Errorf("event %.100q: %w", event, ErrUnknownEvent)
	}
	d := &decoder{event: Event{Name: event}}
	// Only an object will do, and null decodes into a map as well.
	if err := json.Unmarshal(payload, &d.fields); err != nil || d.fields == nil {
		return Event{}, fmt.Errorf("%s: %w: not a JSON object: %v", event, ErrPayload, err)
	}
	d.envelope()
	if detail != nil {
		detail(d)
	}
	if d.err != nil {
		return Event{}, fmt.Errorf("%s: %w: %w", event, ErrPayload, d.err)
	}
	return d.event, nil
}

// decoder holds the top-level fields of a payload and the first error.
type decoder struct {
	fields map[string]json.RawMessage
	event  Event
	err    error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

// field decodes a top-level field and says whether it is there; null counts as not.
func (d *decoder) field(name string, into any) bool {
	raw, ok := d.fields[name]
	if !ok || string(raw) == "null" {
		return false
	}
	if err := json.Unmarshal(raw, into); err != nil {
		d.fail("%s: %w", name, err)
		return false
	}
	return true
}

// need is field for what must be there.
func (d *decoder) need(name string, into any) bool {
	ok := d.field(name, into)
	if !ok {
		d.fail("%s is missing", name)
	}
	return ok
}

// envelope reads what events have in common.
func (d *decoder) envelope() {
	var action string
	if d.field("action", &action) {
		d.event.Action = d.word("action", action)
	}
	var installation struct {
		ID int64 `json:"id"`
	}
	if d.field("installation", &installation) {
		d.event.InstallationID = d.id("installation.id", installation.ID)
	}
	d.event.Sender = d.accountField("sender")
	d.event.Organization = d.accountField("organization")
	if d.event.Organization.ID != 0 && d.event.Organization.Type == "" {
		d.event.Organization.Type = "Organization" // the field has no type of its own
	}
	d.repository()
}

// repository reads the repository, and its owner where no organisation is named: that is
// so for repositories of users.
func (d *decoder) repository() {
	var w struct {
		wireRepository
		Owner *wireOwner `json:"owner"`
	}
	if !d.field("repository", &w) {
		return
	}
	r := d.eventRepository("repository", w.wireRepository)
	d.event.Repository = &r
	if d.event.Organization.ID == 0 {
		d.event.Organization = d.account("repository.owner", w.Owner.wire())
	}
	// Everything that we keep belongs to one organisation; without it we could not say
	// whose it is.
	d.id("repository.owner.id", d.event.Organization.ID)
}

type wireRepository struct {
	ID            int64  `json:"id"`
	FullName      string `json:"full_name"`
	Private       bool   `json:"private"`
	DefaultBranch string `json:"default_branch"`
}

func (d *decoder) eventRepository(what string, w wireRepository) EventRepository {
	if owner, name, ok := strings.Cut(w.FullName, "/"); !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		d.fail("%s.full_name %.80q is not owner/name", what, w.FullName)
	}
	return EventRepository{
		ID:            d.id(what+".id", w.ID),
		FullName:      d.text(what+".full_name", w.FullName, maxName),
		Private:       w.Private,
		DefaultBranch: d.text(what+".default_branch", w.DefaultBranch, maxName),
	}
}

// wireOwner is an account that may be written in one of three ways: as an account, as
// the owner in a push (a name), or as an enterprise (a slug).
type wireOwner struct {
	wireAccount
	Name string `json:"name"`
	Slug string `json:"slug"`
}

func (w *wireOwner) wire() *wireAccount {
	if w == nil {
		return nil
	}
	a := w.wireAccount
	switch {
	case a.Login != "":
	case w.Slug != "":
		a.Login = w.Slug
		if a.Type == "" {
			a.Type = "Enterprise"
		}
	default:
		a.Login = w.Name
	}
	return &a
}

func (d *decoder) accountField(name string) Account {
	var w wireOwner
	if !d.field(name, &w) {
		return Account{}
	}
	return d.account(name, w.wire())
}

// account accepts a missing account (somebody who is gone), but not an impossible one.
func (d *decoder) account(what string, w *wireAccount) Account {
	if w == nil {
		return Account{}
	}
	if w.ID < 0 {
		d.fail("%s.id is %d", what, w.ID)
	}
	d.text(what+".login", w.Login, maxLogin)
	d.word(what+".type", w.Type)
	return w.account()
}

func (d *decoder) app(what string, w *wireApp) App {
	if w == nil {
		return App{}
	}
	if w.ID < 0 {
		d.fail("%s.id is %d", what, w.ID)
	}
	d.text(what+".slug", w.Slug, maxLogin)
	return w.app()
}

func (d *decoder) id(what string, id int64) int64 {
	if id <= 0 {
		d.fail("%s is %d", what, id)
	}
	return id
}

func (d *decoder) number(what string, n int) int {
	d.id(what, int64(n))
	return n
}

func (d *decoder) sha(what, s string) string {
	if err := checkSHA(what, s); err != nil {
		d.fail("%w", err)
	}
	return s
}

// optionalSHA is sha for a field that may be missing, null or empty.
func (d *decoder) optionalSHA(what, s string) string {
	if s == "" {
		return ""
	}
	return d.sha(what, s)
}

func (d *decoder) text(what, s string, longest int) string {
	if len(s) > longest {
		d.fail("%s has %d bytes, at most %d", what, len(s), longest)
	}
	return s
}

func (d *decoder) word(what, s string) string { return d.text(what, s, maxWord) }

// name is text that must not be empty.
func (d *decoder) name(what, s string) string {
	if s == "" {
		d.fail("%s is missing", what)
	}
	return d.text(what, s, maxName)
}

// looseTime accepts every value; what is not a time is the zero time. GitHub writes times
// in several ways, even in one event, and no time of an event decides anything.
type looseTime struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (t *looseTime) UnmarshalJSON(raw []byte) error {
	t.Time = time.Time{}
	var text string
	var seconds int64
	if json.Unmarshal(raw, &text) == nil {
		if at, err := time.Parse(time.RFC3339, text); err == nil && inRange(at) {
			t.Time = at.UTC()
		}
	} else if json.Unmarshal(raw, &seconds) == nil {
		if at := time.Unix(seconds, 0).UTC(); inRange(at) {
			t.Time = at
		}
	}
	return nil
}

// inRange says whether a time can be written as JSON again.
func inRange(t time.Time) bool { return t.UTC().Year() >= 1 && t.UTC().Year() <= 9999 }
