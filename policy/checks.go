package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// startPatience is how long after the head was first seen a validation that has not
// started yet is waited for. After it, it is missing. Before it, a pull request that
// was just opened would turn red for the seconds that its runs need to appear.
const startPatience = 10 * time.Minute

// The states of a validation beside GitHub's own conclusions.
const (
	stateSuccess      = "success"
	stateFailure      = "failure"
	stateMissing      = "missing"
	stateRunning      = "running"
	stateStale        = "stale"
	stateWrongSource  = "wrong-source"
	stateForgedSource = "forged-source"
	stateUnpinned     = "unpinned"
)

// sought is one validation that is looked for, either named by the policy or required
// by the branch.
type sought struct {
	id string
	// named is the policy's own description; nil when the branch requires it.
	named *RequiredValidation
	// check is what the branch requires.
	check RequiredCheck
}

// judgedCheck is what was found of one sought validation.
type judgedCheck struct {
	ValidationResult
	// counted are the newest attempts from the right source; empty when none came.
	// There are several when several jobs have one name.
	counted []*Validation
	// pending is true while it may still succeed by itself.
	pending bool
	// recheckAt is when pending ends by the mere passing of time; zero when it does not.
	recheckAt time.Time
}

// match says how a validation relates to a sought one.
type match uint8

const (
	matchNot    match = iota
	matchName         // its name is right and its source is wrong
	matchForged       // it claims to be GitHub Actions, and no job is behind it
	matchRight
)

// soughtValidations are the validations to look for, and why there are none. Those of
// the policy; when a layer of it names none, also those that the branch requires, less our own.
func (j *judgement) soughtValidations() []sought {
	var out []sought
	if required := &j.p.Validation; len(required.Required) > 0 {
		for i := range j.p.Validation.Required {
			v := &j.p.Validation.Required[i]
			out = append(out, sought{id: v.ID, named: v})
		}
		if !required.andBranch {
			return out
		}
	}
	checks := j.requiredChecks()
	for i, c := range checks {
		// The same name from one App is stricter than from any source, and covers it.
		covered := c.AppID == 0 && slices.ContainsFunc(checks, func(o RequiredCheck) bool { return o.Name == c.Name && o.AppID != 0 })
		if IsOwnCheck(c.Name) || covered || slices.Contains(checks[:i], c) {
			continue
		}
		out = append(out, sought{id: c.Name, check: c})
	}
	return out
}

// requiredChecks are the checks that the governing base requires, from every source,
// sorted: GitHub's order is not evidence.
func (j *judgement) requiredChecks() []RequiredCheck {
	var out []RequiredCheck
	if c := j.f.Protection.Classic; c != nil && c.RequiresChecks {
		out = append(out, c.RequiredChecks...)
	}
	for i := range j.f.Protection.Rules.Items {
		if r := &j.f.Protection.Rules.Items[i]; r.Type == ruleChecks {
			out = append(out, r.RequiredChecks...)
		}
	}
	for i := range out {
		out[i].AppID = max(out[i].AppID, 0) // REST writes "any source" as -1
	}
	slices.SortFunc(out, func(a, b RequiredCheck) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return cmp.Compare(a.AppID, b.AppID)
	})
	return out
}

// judgeCheck finds the newest attempt of a sought validation from the right source and
// says what it amounts to.
func (j *judgement) judgeCheck(s sought) judgedCheck {
	out := judgedCheck{ValidationResult: ValidationResult{ID: s.id, Attempts: []int64{}, Source: j.sourceOf(s)}}
	if s.named == nil && s.check.AppID == 0 {
		out.State = stateUnpinned
		out.Why = "the branch requires it from any source, so any account with write access could set it"
		return out
	}
	var named, forged *Validation
	var right, doubtful []*Validation
	for i := range j.tested.runs.Items {
		v := &j.tested.runs.Items[i]
		m := j.match(s, v)
		if m == matchForged || m == matchName && v.sourceUnknown() {
			doubtful = append(doubtful, v)
		}
		switch m {
		case matchRight:
			out.Attempts = append(out.Attempts, v.ID)
			right = append(right, v)
		case matchForged:
			forged = later64(forged, v)
		case matchName:
			named = later64(named, v)
		}
	}
	slices.Sort(out.Attempts)
	out.counted = newest(right)
	switch {
	case len(out.counted) > 0:
		j.judgeAttempts(&out)
		j.judgeDoubt(&out, doubtful)
		if forged != nil && forged.Conclusion == stateSuccess {
			out.Why += fmt.Sprintf("; check run %d of this name is from no job that counts, and was not counted", forged.ID)
		}
	case forged != nil && forged.Status != statusCompleted:
		out.State, out.pending = stateRunning, true
		out.Why = "a run has appeared and its job is not visible yet"
	case forged != nil:
		out.State = stateForgedSource
		out.Why = fmt.Sprintf("check run %d says that GitHub Actions ran it, but no job with steps is behind it", forged.ID)
	case named != nil:
		out.State = stateWrongSource
		out.Why = "only found from the wrong source: " + j.describe(named)
	default:
		j.judgeMissing(&out, s)
	}
	return out
}

// judgeDoubt takes runs of the right name into account whose source is not known: one
// may be the newest attempt, or belong to it, and GitHub does not show its job yet or any
// more. They cannot make anything succeed, and are believed when they say that it did not.
func (j *judgement) judgeDoubt(out *judgedCheck, doubtful []*Validation) {
	for _, v := range doubtful {
		if out.State != stateSuccess {
			return
		}
		if !v.mayBelongTo(out.counted) {
			continue
		}
		switch state := j.state(v); {
		case state == stateRunning:
			out.State, out.pending = stateRunning, true
			out.Why = "another run has not finished, and its job is not visible yet"
		case v.Conclusion != stateSuccess:
			out.State = state
			out.Why = fmt.Sprintf("another run, %d, whose source is not known ended with the conclusion %q", v.ID, shorten(v.Conclusion, 40))
		}
	}
}

// mayBelongTo reports whether a run may belong to the newest attempt. One that is newer
// may. One that is older may too where jobs are counted, of which several can have a name.
func (v *Validation) mayBelongTo(counted []*Validation) bool {
	newer := true
	for _, c := range counted {
		if c.Job != nil && v.Kind == KindCheckRun {
			return true
		}
		newer = newer && v.ID > c.ID
	}
	return newer
}

// sourceUnknown reports whether GitHub did not say who posted a validation.
func (v *Validation) sourceUnknown() bool {
	if v.Kind == KindStatus {
		return v.Creator.ID == 0
	}
	return v.Kind != KindCheckRun || v.App == App{}
}

// later64 is the validation with the higher id.
func later64(a, b *Validation) *Validation {
	if a == nil || b.ID > a.ID {
		return b
	}
	return a
}

// group keeps jobs of the same name apart that another workflow or another event ran:
// each must succeed. GitHub does not say which workflow a required check means, and what
// runs on a push tests something else than what runs on a pull request.
func (v *Validation) group() string {
	if v.Job == nil {
		return ""
	}
	return v.Job.Repository + "\x00" + v.Job.Path + "\x00" + v.Job.Event
}

// newest are the newest attempts in each group.
func newest(right []*Validation) (out []*Validation) {
	slices.SortFunc(right, func(a, b *Validation) int {
		if c := strings.Compare(a.group(), b.group()); c != 0 {
			return c
		}
		return cmp.Compare(a.ID, b.ID)
	})
	for len(right) > 0 {
		n := 1
		for n < len(right) && right[n].group() == right[0].group() {
			n++
		}
		out = append(out, newestRun(right[:n])...)
		right = right[n:]
	}
	return out
}

// newestRun is the last of a group that is sorted by id. Where one attempt of its run has
// several jobs of the name, as a matrix can, all of them count. When only some were run
// again it is not known which of the earlier ones they replace, so none is.
func newestRun(group []*Validation) (out []*Validation) {
	last := group[len(group)-1]
	if last.Job == nil {
		return []*Validation{last}
	}
	jobs := map[int]int{} // by attempt
	whole := 0            // the newest attempt with most jobs
	for _, v := range group {
		if v.Job.RunID == last.Job.RunID {
			jobs[v.Job.Attempt]++
		}
	}
	for attempt, n := range jobs {
		if n > jobs[whole] || n == jobs[whole] && attempt > whole {
			whole = attempt
		}
	}
	for _, v := range group {
		if v.Job.RunID == last.Job.RunID && v.Job.Attempt >= whole {
			out = append(out, v)
		}
	}
	return out
}

// judgeAttempts takes the worst of the newest attempts.
func (j *judgement) judgeAttempts(out *judgedCheck) {
	for i, v := range out.counted {
		state := j.state(v)
		running := state == stateRunning
		if i > 0 && (out.State != stateSuccess && out.State != stateRunning || state == stateSuccess) {
			continue // what we hold is as bad, or worse
		}
		out.State, out.pending = state, running
		out.Source = j.describe(v)
		switch {
		case running:
			out.Why = "has not finished"
		case state == stateSuccess:
			out.Why = "succeeded on this commit"
		case state == stateStale:
			out.Why = "did not run on this commit"
		case state == stateForgedSource:
			out.Why = "says success, and its job has no steps"
		default:
			out.Why = fmt.Sprintf("ended with the conclusion %q", shorten(v.Conclusion, 40))
		}
	}
	if n := len(out.counted); n > 1 && out.State != stateSuccess {
		out.Why += fmt.Sprintf("; %d jobs of this name count, and each must succeed", n)
	}
	if len(out.Attempts) > len(out.counted) {
		out.Why += fmt.Sprintf(" (newest of %d attempts)", len(out.Attempts))
	}
}

// state is the state of one attempt from the right source.
func (j *judgement) state(v *Validation) string {
	switch {
	case v.HeadSHA != j.tested.sha:
		return stateStale
	case v.Status != statusCompleted:
		return stateRunning
	case v.Conclusion == stateSuccess && v.App.isActions() && (v.Job == nil || v.Job.Steps < 1):
		return stateForgedSource
	}
	switch v.Conclusion {
	case stateSuccess, "skipped", "neutral", "cancelled", "timed_out", "action_required", stateStale:
		return v.Conclusion
	}
	return stateFailure
}

// judgeMissing says whether something that is not there may still come.
func (j *judgement) judgeMissing(out *judgedCheck, s sought) {
	out.State = stateMissing
	out.Why = "has not run on this commit"
	deadline := j.tested.since
	for i := range j.tested.runs.Items {
		v := &j.tested.runs.Items[i]
		if v.HeadSHA != j.tested.sha || !s.sameRunner(v) {
			continue
		}
		if v.Status != statusCompleted {
			out.pending = true
			out.Why = "has not started, and its source is still running"
			return
		}
		// A job that needs others starts when they are done.
		if v.CompletedAt.After(deadline) {
			deadline = v.CompletedAt
		}
	}
	if deadline.IsZero() {
		return
	}
	if deadline = deadline.Add(startPatience); j.f.EvaluatedAt.Before(deadline) {
		out.pending, out.recheckAt = true, deadline
		out.Why = "has not started yet on this commit"
	}
}

// sameRunner reports whether a validation comes from where the sought one would: the
// same workflow for Actions, the same App, the same creator.
func (s sought) sameRunner(v *Validation) bool {
	switch {
	case s.named == nil:
		return v.Kind == KindCheckRun && v.App.ID == s.check.AppID
	case s.named.Status != "":
		return v.Kind == KindStatus && s.named.setBy(v.Creator)
	case s.named.actions():
		return v.Kind == KindCheckRun && v.App.isActions() && v.Job != nil && v.Job.Path == s.named.Workflow
	}
	return v.Kind == KindCheckRun && s.named.from(v.App)
}

// match says how a validation relates to a sought one. The name never decides alone:
// anybody with write access can post any name.
func (j *judgement) match(s sought, v *Validation) match {
	if s.named == nil {
		switch {
		case v.Name != s.check.Name:
			return matchNot
		case v.Kind != KindCheckRun || v.App.ID != s.check.AppID:
			return matchName
		case v.App.isActions() && !v.genuine():
			return matchForged
		case v.App.isActions() && v.Job.Event != "dynamic" && !slices.Contains(j.events(""), v.Job.Event):
			// Whoever starts a run by hand chooses what it is given. The policy can name it.
			return matchName
		}
		return matchRight
	}
	want := s.named
	switch {
	case want.Status != "":
		if v.Name != want.Status {
			return matchNot
		}
		if v.Kind == KindStatus && want.setBy(v.Creator) {
			return matchRight
		}
		return matchName
	case want.actions():
		return j.matchJob(want, v)
	case want.Check == "" || v.Name != want.Check:
		return matchNot
	case v.Kind == KindCheckRun && want.from(v.App):
		return matchRight
	}
	return matchName
}

// matchJob identifies a GitHub Actions job by repository, workflow file, event and job.
func (j *judgement) matchJob(want *RequiredValidation, v *Validation) match {
	if v.Kind != KindCheckRun || !v.App.isActions() {
		if v.Name == want.Job {
			return matchName
		}
		return matchNot
	}
	if !v.genuine() {
		if v.Name == want.Job || v.Job != nil && v.Job.Name == want.Job {
			return matchForged
		}
		return matchNot
	}
	if v.Job.Name != want.Job || want.Job == "" {
		return matchNot
	}
	repository := want.Repository
	if repository == "" {
		repository = j.f.Repository.Name
	}
	if v.Job.Path == want.Workflow && want.Workflow != "" && strings.EqualFold(v.Job.Repository, repository) && slices.Contains(j.events(want.Event), v.Job.Event) {
		return matchRight
	}
	return matchName
}

// events are the events whose runs count where the policy names this one, or none. On the
// commit of a merge group, a run for a pull request is one of somebody who proposed that commit
// for a branch of their own, by the workflow there.
func (j *judgement) events(named string) []string {
	switch {
	case j.tested.group && (named == "" || named == "pull_request" || named == "pull_request_target"):
		return []string{"merge_group", "push"}
	case named == "":
		return defaultEvents()
	}
	return []string{named}
}

// genuine reports whether a job is behind a check run of GitHub Actions. A workflow can
// post check runs of any name as GitHub Actions itself; those have no job. A job that
// waits or was skipped has no steps, so steps are asked for only of a success.
func (v *Validation) genuine() bool {
	job := v.Job
	return job != nil && job.ID == v.ID && job.ID != 0 && job.RunID != 0 && job.Attempt > 0 &&
		job.Name != "" && job.Path != "" && job.Repository != "" && job.Event != ""
}

// actions reports whether the validation is a job of GitHub Actions.
func (v *RequiredValidation) actions() bool {
	return v.Status == "" && (v.Workflow != "" || v.Job != "" || App{ID: v.AppID, Slug: v.App}.isActions())
}

// from reports whether an App is the one that the policy names: by id when it gives one.
func (v *RequiredValidation) from(a App) bool {
	if v.AppID != 0 {
		return a.ID == v.AppID
	}
	return v.App != "" && strings.EqualFold(a.Slug, v.App)
}

// setBy reports whether a commit status was set by the account that the policy names.
// A name with "[bot]" is an App's account, one without is a person's: the two can have
// the same letters.
func (v *RequiredValidation) setBy(a Actor) bool {
	name, bot := strings.CutSuffix(v.Creator, botSuffix)
	want := TypeUser
	if bot {
		want = TypeBot
	}
	return name != "" && a.ID != 0 && a.Type == want && strings.EqualFold(strings.TrimSuffix(a.Login, botSuffix), name)
}

// botSuffix ends the login of an App's account as REST and people write it.
const botSuffix = "[bot]"

// sourceOf says who should run a sought validation.
func (j *judgement) sourceOf(s sought) string {
	switch v := s.named; {
	case v == nil && s.check.AppID == 0:
		return "any source"
	case v == nil && s.check.AppID == actionsAppID:
		return "GitHub Actions"
	case v == nil:
		return fmt.Sprintf("App %d", s.check.AppID)
	case v.Status != "":
		return "commit status set by " + v.Creator
	case v.actions():
		return fmt.Sprintf("GitHub Actions, job %s of %s", v.Job, v.Workflow)
	case v.App != "":
		return "App " + v.App
	}
	return fmt.Sprintf("App %d", s.named.AppID)
}

// describe says who ran a validation, in plain words.
func (j *judgement) describe(v *Validation) string {
	switch {
	case v.Kind == KindStatus:
		return "commit status set by " + orSomebody(shorten(v.Creator.Login, 60))
	case v.App.isActions() && v.Job != nil:
		where := v.Job.Path
		if !strings.EqualFold(v.Job.Repository, j.f.Repository.Name) {
			where += " in " + v.Job.Repository
		}
		return fmt.Sprintf("GitHub Actions, job %s of %s on %s", shorten(v.Job.Name, 100), shorten(where, 150), v.Job.Event)
	case v.App.isActions():
		return "GitHub Actions"
	case v.App.Slug != "":
		return "App " + v.App.Slug
	}
	return fmt.Sprintf("App %d", v.App.ID)
}

// whenHeadSeen is the earliest time at which a delivery named the head: zero when none did.
func (f *Facts) whenHeadSeen() time.Time {
	var first time.Time
	seen := func(at time.Time, sha string) {
		if sha == f.Change.HeadSHA && sha != "" && !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for i := range f.Pushes {
		seen(f.Pushes[i].ReceivedAt, f.Pushes[i].After)
	}
	for i := range f.Reviews.Items {
		if r := f.Reviews.Items[i].Received; r != nil {
			seen(r.ReceivedAt, r.HeadSHA)
		}
	}
	return first
}
