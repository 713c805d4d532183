package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The states of a review. The lower-case words of GitHub.
const (
	reviewApproved         = "approved"
	reviewChangesRequested = "changes_requested"
	reviewCommented        = "commented"
	reviewDismissed        = "dismissed"
	reviewPending          = "pending"
)

// answer is yes, no, or not known. The zero value is not known.
type answer uint8

const (
	unknown answer = iota
	no
	yes
)

// judgedReview is one review and what it amounts to.
type judgedReview struct {
	review *Review
	// valid is true for a person's latest opinion, and, when that is an approval, for
	// the approvals right before it: approving again takes nothing back.
	valid bool
	// stands is true for the one valid review of a person that is counted or listed.
	stands bool
	// eligible says whether an approval by this person counts: whether they are human,
	// independent, permitted and in the teams asked for.
	eligible answer
	// fresh is true when the review was received for the head, or for an earlier head with
	// the same change.
	fresh bool
	// confirmed is true when its author confirmed the head in a session, or the policy does not
	// ask for that; confirmedAt is when they did.
	confirmed   bool
	confirmedAt time.Time
	// blocks is true when changes were requested and that still stands. blockUnknown is
	// true when it only may.
	blocks, blockUnknown bool
	why                  string
}

// approves reports whether the review is the approval of somebody eligible.
func (r judgedReview) approves() bool {
	return r.stands && r.review.State == reviewApproved && r.eligible == yes
}

// counts reports whether the approval also covers the head, and was confirmed where it must be.
func (r judgedReview) counts() bool { return r.approves() && r.fresh && r.confirmed }

// unconfirmed reports whether the approval lacks nothing but to be confirmed.
func (r judgedReview) unconfirmed() bool { return r.approves() && r.fresh && !r.confirmed }

// quality orders a person's valid approvals: of several, the best is the one that stands.
func (r judgedReview) quality() int {
	switch {
	case r.eligible == yes && r.fresh:
		return 2
	case r.eligible == yes:
		return 1
	}
	return 0
}

// judgeReviews judges every review that expresses an opinion, in the order of their
// ids. GitHub assigns ids; times are not used, because they are equal or wrong in
// imported and replayed reviews.
func (j *judgement) judgeReviews() []judgedReview {
	var out []judgedReview
	for i := range j.f.Reviews.Items {
		if r := &j.f.Reviews.Items[i]; r.State != reviewCommented && r.State != reviewPending {
			out = append(out, judgedReview{review: r})
		}
	}
	slices.SortStableFunc(out, func(a, b judgedReview) int {
		if a.review.ID != b.review.ID {
			return cmp.Compare(a.review.ID, b.review.ID)
		}
		return strings.Compare(a.review.State, b.review.State)
	})
	// From the newest to the oldest: which person has been seen, whether something that
	// is no approval was among it, and which of their reviews stands.
	type person struct {
		closed bool
		stands int
	}
	people := map[int64]person{}
	for n, r := range slices.Backward(out) {
		id := r.review.Actor.ID
		p, seen := people[id]
		// An account without an id may be anybody, so no opinion of it supersedes another.
		if id == 0 || !seen || !p.closed && r.review.State == reviewApproved {
			r.valid = true
			j.judge(&r)
		} else {
			r.eligible, r.why = no, "superseded by a later review of the same person"
		}
		out[n] = r
		switch {
		case id == 0:
			out[n].stands = true
			continue
		case !seen:
			p.stands = n
		case r.valid && r.quality() > out[p.stands].quality():
			p.stands = n
		}
		p.closed = p.closed || r.review.State != reviewApproved
		people[id] = p
	}
	for _, p := range people {
		out[p.stands].stands = true
	}
	for n := range out {
		if out[n].valid && !out[n].stands {
			out[n].why = "another approval of the same person is looked at"
		}
	}
	return out
}

// judge fills in what one review amounts to.
func (j *judgement) judge(r *judgedReview) {
	independent, whyNot := j.independent(r.review.Actor)
	permitted, whyNotPermitted := j.permitted(r.review)
	member, whyNotMember := j.inTeams(r.review.Actor, j.p.Review.From.Teams)
	r.eligible = yes
	for _, a := range []struct {
		answer answer
		why    string
	}{{independent, whyNot}, {permitted, whyNotPermitted}, {member, whyNotMember}} {
		// A definite no says more than a not known.
		if a.answer == no && r.eligible != no || a.answer == unknown && r.eligible == yes {
			r.eligible, r.why = a.answer, a.why
		}
	}
	fresh, whyFresh := j.fresh(r.review)
	r.fresh = fresh
	var whyUnconfirmed string
	r.confirmed, r.confirmedAt, whyUnconfirmed = j.confirmed(r.review.Actor)
	switch r.review.State {
	case reviewApproved:
		if r.eligible == yes {
			r.why = whyFresh
		}
		if r.eligible == yes && fresh && !r.confirmed {
			r.why = "approved this commit, and " + whyUnconfirmed
		}
	case reviewDismissed:
		j.judgeDismissal(r, independent, member)
	default:
		j.judgeObjection(r, independent, member)
	}
	for _, layer := range j.p.merged {
		// A layer that lets fewer people approve does not take the others' objection away.
		under := *j
		under.p = layer
		by := *r
		if under.judge(&by); by.blocks && !r.blocks {
			r.blocks, r.blockUnknown = true, by.blockUnknown
			r.why = by.why + "; by one of the layers of the policy this person has a say"
		}
	}
}

// judgeObjection judges a request for changes, or a review in a state that we do not
// know, which may be one. It blocks unless its author is known to have no say: the
// state of the head does not matter, because only they can take it back.
func (j *judgement) judgeObjection(r *judgedReview, independent, member answer) {
	permitted := j.roleAnswer(r.review.Permission)
	if independent == no || permitted == no || member == no {
		r.why = "does not block: " + r.why
		return
	}
	r.blocks = true
	r.blockUnknown = independent == unknown || permitted == unknown || member == unknown || r.review.State != reviewChangesRequested
	switch {
	case r.review.State != reviewChangesRequested:
		r.why = fmt.Sprintf("its state %q is not known", shorten(r.review.State, 40))
	case r.blockUnknown:
		r.why = "changes requested, and whether this person has a say is not known: " + r.why
	default:
		r.why = "changes requested"
	}
}

// judgeDismissal judges a dismissed review. A request for changes that the people
// behind the change dismissed themselves still stands.
func (j *judgement) judgeDismissal(r *judgedReview, independent, member answer) {
	before := r.review.DismissedState
	if before == "" && r.review.Received != nil {
		before = r.review.Received.State
	}
	by := r.review.DismissedBy
	was := "was dismissed"
	if by.Login != "" {
		was += " by " + by.Login
	}
	permitted := j.roleAnswer(r.review.Permission)
	if r.review.Actor.ID == 0 && r.review.Actor.Type != TypeGhost {
		// Whose opinion it was is not known: perhaps it ended an approval that we count.
		r.blocks, r.blockUnknown = true, true
		r.why = was + ", and whose review it was is not known"
		return
	}
	if before == reviewApproved || before == reviewCommented || independent == no || permitted == no || member == no {
		r.why = was
		return
	}
	if by.ID != 0 && by.ID == r.review.Actor.ID {
		r.why = "was taken back by its author"
		return
	}
	dismisser, whyNot := j.independent(by)
	switch {
	case dismisser == yes:
		r.why = was
	case dismisser == no:
		r.blocks = true
		r.why = fmt.Sprintf("requested changes; the dismissal by %s does not count: %s", orSomebody(by.Login), whyNot)
		if before == "" {
			r.blockUnknown = true
			r.why = fmt.Sprintf("%s, which does not count (%s); what the review said is not known", was, whyNot)
		}
	default:
		r.blocks, r.blockUnknown = true, true
		r.why = "was dismissed, and it is not known by whom"
	}
}

func orSomebody(login string) string {
	if login == "" {
		return "somebody"
	}
	return login
}

// independent says whether an account is a human who is not behind the change.
func (j *judgement) independent(a Actor) (is answer, why string) {
	if m := j.behind(a); m != "" {
		return no, m
	}
	switch agent := j.cat.OfActor(a); {
	case a.Type == TypeBot:
		return no, "bots are not people"
	case agent != nil:
		return no, fmt.Sprintf("%s is the account of %s, not a person's", orSomebody(a.Login), agent.Name)
	}
	switch a.Type {
	case TypeUser:
	case TypeGhost:
		return no, "the account was deleted"
	case TypeOrganization, TypeMannequin, TypeEnterpriseUser:
		return no, fmt.Sprintf("an account of type %s is not a person who can answer for an approval", a.Type)
	default:
		return unknown, "GitHub did not say what kind of account this is"
	}
	if a.ID == 0 {
		return unknown, "GitHub did not say who this is"
	}
	return yes, ""
}

// behind says how an account is behind the change, "" when it is not.
func (j *judgement) behind(a Actor) string {
	var ways []string
	for i := range j.who.Initiators {
		if j.who.Initiators[i].Is(a) {
			ways = append(ways, "asked for this change ("+roles(j.who.Initiators[i])+")")
			break
		}
	}
	for i := range j.who.Authors {
		if j.who.Authors[i].Is(a) && !j.mayHaveCoAuthored(&j.who.Authors[i]) {
			ways = append(ways, "is behind this change ("+roles(j.who.Authors[i])+")")
			break
		}
	}
	if last := j.lastPush(); len(ways) == 0 && last != nil && a.ID != 0 && last.Pusher.ID == a.ID {
		return "pushed the newest commit"
	}
	return strings.Join(ways, " and ")
}

// mayHaveCoAuthored reports whether the policy lets somebody approve who took part in no other
// way than as a co-author.
func (j *judgement) mayHaveCoAuthored(m *Member) bool {
	allowed := map[string][]string{
		coauthorsAllow:            {RoleCoAuthor, RoleSuggested},
		coauthorsAllowSuggestions: {RoleSuggested},
	}[j.p.Review.CoAuthors]
	return len(m.Roles) > 0 && !slices.ContainsFunc(m.Roles, func(role string) bool { return !slices.Contains(allowed, role) })
}

func roles(m Member) string {
	if len(m.Roles) == 0 {
		return "role not known"
	}
	return strings.Join(m.Roles, ", ")
}

// lastPush is the newest push that we received of the head, or of the earliest head with the
// same change; nil when none.
func (j *judgement) lastPush() *Push {
	if j.last == nil {
		head := j.f.Change.HeadSHA
		if e, _ := j.f.origin(); e != nil {
			head = e.SHA
		}
		for i := range j.f.Pushes {
			p := &j.f.Pushes[i]
			if p.After == head && p.After != "" && (j.last == nil || p.Seq > j.last.Seq) {
				j.last = p
			}
		}
	}
	return j.last
}

// pushersKnown reports whether we received every push since the pull request was
// opened, with its pusher. Somebody whose push we missed could otherwise approve it.
//
// A chain is walked back from the head: each push names the commit before it. It ends
// at the opening of the pull request, or the creation of the branch, which have none.
func (j *judgement) pushersKnown() bool {
	for _, p := range j.f.Pushes {
		if p.Pusher.ID == 0 {
			return false
		}
	}
	sha := j.f.Change.HeadSHA
	for range j.f.Pushes {
		var from *Push
		for i := range j.f.Pushes {
			p := &j.f.Pushes[i]
			if p.After != sha {
				continue
			}
			if strings.Trim(p.Before, "0") == "" {
				return true
			}
			if from == nil || p.Seq > from.Seq {
				from = p
			}
		}
		if from == nil {
			return false
		}
		sha = from.Before
	}
	return false
}

// The roles of GitHub, weakest first. A custom role is none of them, and what it may
// do is not known.
func roleRank(role string) int {
	switch role {
	case "none":
		return 1
	case "read":
		return 2
	case "triage":
		return 3
	case "write":
		return 4
	case "maintain":
		return 5
	case "admin":
		return 6
	}
	return 0
}

// roleAnswer says whether a role is enough to approve.
func (j *judgement) roleAnswer(role string) answer { return atLeast(role, j.leastRole()) }

// leastRole is the role that the policy asks of a reviewer; write when it is not one.
func (j *judgement) leastRole() string {
	if least := j.p.Review.From.Permission; roleRank(least) > roleRank("write") {
		return least
	}
	return "write"
}

// atLeast says whether a role is at least another.
func atLeast(role, least string) answer {
	switch rank := roleRank(role); {
	case rank == 0:
		return unknown
	case rank >= roleRank(least):
		return yes
	}
	return no
}

// permitted says whether the reviewer had and has the role that is needed.
func (j *judgement) permitted(r *Review) (is answer, why string) {
	now, then := j.roleAnswer(r.Permission), j.roleAnswer(r.PermissionThen)
	switch {
	case now == no:
		return no, fmt.Sprintf("has the role %s, and %s is needed", r.Permission, j.leastRole())
	case then == no:
		return no, fmt.Sprintf("had the role %s when reviewing, and %s is needed", r.PermissionThen, j.leastRole())
	case now == unknown:
		return unknown, roleUnknown("has", r.Permission)
	case then == unknown:
		return unknown, roleUnknown("had when reviewing", r.PermissionThen)
	}
	return yes, ""
}

func roleUnknown(verb, role string) string {
	if role == "" {
		return "which role this person " + verb + " is not known"
	}
	return fmt.Sprintf("what the role %q that this person %s allows is not known", shorten(role, 60), verb)
}

// inTeams says whether an account is in one of the teams; yes when no team is named.
func (j *judgement) inTeams(a Actor, teams []string) (is answer, why string) {
	if len(teams) == 0 {
		return yes, ""
	}
	missing := ""
	for _, name := range teams {
		team := j.team(name)
		if team == nil || !team.Members.Complete {
			missing = name
		}
		if team == nil || a.ID == 0 {
			continue
		}
		for i := range team.Members.Items {
			if team.Members.Items[i].ID == a.ID {
				return yes, ""
			}
		}
	}
	if missing != "" {
		return unknown, "the members of " + missing + " could not be read"
	}
	if a.ID == 0 {
		return unknown, "GitHub did not say who this is"
	}
	return no, "is in none of the teams " + strings.Join(teams, ", ")
}

// team is a team of the facts by its name, nil when the facts do not hold it.
func (j *judgement) team(name string) *Team {
	for i := range j.f.Teams {
		if strings.EqualFold(j.f.Teams[i].Name, name) {
			return &j.f.Teams[i]
		}
	}
	return nil
}

// fresh says whether a review is for the head, by what its delivery said when it came in: for
// that very commit, or for an earlier one since which the change stayed the same file by file.
// What the API says later does not count: GitHub re-points the commit of a review.
func (j *judgement) fresh(r *Review) (is bool, why string) {
	switch got := r.Received; {
	case got == nil:
		return false, "its delivery never reached us, so it is not known which commit it was for"
	case got.State != reviewApproved && r.State == reviewApproved:
		return false, "its delivery did not say that it was an approval"
	case got.BaseRef != "" && got.BaseRef != j.f.Change.BaseRef:
		return false, "was for the changes against another branch, " + shorten(got.BaseRef, 100)
	default:
		return j.forHead(got.CommitSHA, got.HeadSHA)
	}
}

// forHead says whether what somebody said of a commit, when newest was the newest one, covers the
// head.
func (j *judgement) forHead(commit, newest string) (is bool, why string) {
	head := j.f.Change.HeadSHA
	switch {
	case commit != head && newest == commit:
		return j.carried(commit)
	case commit != head:
		return false, "was for an older commit, " + shortSHA(commit)
	case newest != head:
		return false, "came in when the newest commit was " + shortSHA(newest)
	}
	return true, "an independent person approved this commit"
}

// shortSHA is how a commit is shown to people.
func shortSHA(sha string) string {
	if sha == "" {
		return "(not known)"
	}
	if len(sha) > 7 {
		return sha[:7]
	}
	return sha
}
