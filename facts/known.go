package facts

import (
	"fmt"
	"time"

	"github.com/countersign/countersign/policy"
)

// patience is how long an answer that contradicts a delivery is put down to GitHub's
// API being behind. After it the answer stands: deliveries can be reordered, and a
// pull request must not hang for ever on one of them.
const patience = time.Minute

// Known is what deliveries said about one pull request, in receipt order.
type Known struct {
	// Seen is the pull request as each delivery showed it.
	Seen   []Seen
	Pushes []policy.Push
	// Reviews are the "submitted" deliveries by review id.
	Reviews map[int64]policy.ReviewReceipt
	// Dismissals are when the "dismissed" deliveries came, by review id.
	Dismissals map[int64]time.Time
	// Checks are the newest deliveries about check runs on the head, by check run id.
	Checks map[int64]SeenCheck
	// Statuses are when deliveries about commit statuses on the head came, by status id.
	Statuses map[int64]time.Time
	// Declarations are the emergency commands, each with what was recorded of whether its
	// author was in the emergency team.
	Declarations []policy.Declaration
	// Confirmations are those of commits of the pull request.
	Confirmations []policy.Confirmation
	// ReadyAt is when the delivery came that showed the pull request ready for review; zero:
	// it is a draft or closed, or none said so.
	ReadyAt time.Time
	// Permissions are the reviewers' roles at first reading, by review id.
	Permissions map[int64]string
}

// Seen is the pull request as one delivery showed it.
type Seen struct {
	Head, Base string
	// UpdatedAt is GitHub's own update time of the pull request in that delivery, to
	// the second. It is GitHub's clock, unlike the dates in commits.
	UpdatedAt  time.Time
	ReceivedAt time.Time
}

// SeenCheck is a check run as a delivery described it.
type SeenCheck struct {
	Status     string
	Conclusion string
	ReceivedAt time.Time
}

// notBehind returns ErrBehind when a delivery told of something that the reading does not
// show. Without it an old state could be decided on with no further event to correct it.
func (k Known) notBehind(r *firstReading, now time.Time) error {
	for _, compare := range []func(*firstReading, func(time.Time) bool) error{k.changeShown, k.listsShown, k.reviewsShown, k.checksShown, k.statusesShown} {
		if err := compare(r, func(received time.Time) bool { return now.Sub(received) < patience }); err != nil {
			return err
		}
	}
	return nil
}

// changeShown compares update times first and, where a second holds more than one update,
// head and base. A head that no delivery named yet is ahead of them: its own will come.
func (k Known) changeShown(r *firstReading, fresh func(time.Time) bool) error {
	pr := r.answer.Repository.PullRequest
	named := false
	for _, seen := range k.Seen {
		if pr.UpdatedAt.Before(seen.UpdatedAt) && fresh(seen.ReceivedAt) {
			return fmt.Errorf("%w: its last change is not visible yet", ErrBehind)
		}
		named = named || seen.Head == pr.HeadRefOid
	}
	if len(k.Seen) == 0 {
		return nil
	}
	last := k.Seen[len(k.Seen)-1]
	if pr.UpdatedAt.After(last.UpdatedAt) || !fresh(last.ReceivedAt) {
		return nil
	}
	if named && pr.HeadRefOid != last.Head {
		return fmt.Errorf("%w: head %.12s is not visible yet", ErrBehind, last.Head)
	}
	if pr.BaseRefName != last.Base {
		return fmt.Errorf("%w: base %s is not visible yet", ErrBehind, last.Base)
	}
	return nil
}

// listsShown holds the lists that REST gives against the head that GraphQL named: they
// come from other servers, and a list of the head before could leave out the very file
// that an owner must approve.
func (k Known) listsShown(r *firstReading, fresh func(time.Time) bool) error {
	pr := r.answer.Repository.PullRequest
	if len(k.Seen) == 0 || !fresh(k.Seen[len(k.Seen)-1].ReceivedAt) {
		return nil
	}
	for _, f := range r.files {
		if f.HeadSHA != "" && f.HeadSHA != pr.HeadRefOid {
			return fmt.Errorf("%w: the files that it lists are those of %.12s", ErrBehind, f.HeadSHA)
		}
	}
	listed := r.commitsErr != nil
	for _, c := range r.commitIDs {
		listed = listed || c.SHA == pr.HeadRefOid
	}
	if !listed {
		return fmt.Errorf("%w: the commits that it lists are without %.12s", ErrBehind, pr.HeadRefOid)
	}
	return nil
}

func (k Known) reviewsShown(r *firstReading, fresh func(time.Time) bool) error {
	states := map[int64]string{}
	for _, review := range r.answer.Repository.PullRequest.Reviews.Nodes {
		states[int64(review.FullDatabaseID)] = review.State
	}
	for id, receipt := range k.Reviews {
		if states[id] == "" && fresh(receipt.ReceivedAt) {
			return fmt.Errorf("%w: review %d is not visible yet", ErrBehind, id)
		}
	}
	for id, received := range k.Dismissals {
		if states[id] != "DISMISSED" && fresh(received) {
			return fmt.Errorf("%w: the dismissal of review %d is not visible yet", ErrBehind, id)
		}
	}
	return nil
}

func (k Known) checksShown(r *firstReading, fresh func(time.Time) bool) error {
	shown := map[int64]SeenCheck{}
	for _, run := range r.checkRuns {
		shown[run.ID] = SeenCheck{Status: run.Status, Conclusion: run.Conclusion}
	}
	for id, seen := range k.Checks {
		if !fresh(seen.ReceivedAt) {
			continue
		}
		got, listed := shown[id]
		if !listed {
			return fmt.Errorf("%w: check run %d is not visible yet", ErrBehind, id)
		}
		if seen.Status == "completed" && (got.Status != seen.Status || got.Conclusion != seen.Conclusion) {
			return fmt.Errorf("%w: the result of check run %d is not visible yet", ErrBehind, id)
		}
	}
	return nil
}

func (k Known) statusesShown(r *firstReading, fresh func(time.Time) bool) error {
	shown := map[int64]bool{}
	for _, status := range r.statuses {
		shown[status.ID] = true
	}
	for id, received := range k.Statuses {
		if !shown[id] && fresh(received) {
			return fmt.Errorf("%w: commit status %d is not visible yet", ErrBehind, id)
		}
	}
	return nil
}

// unseenReviews are reviews that were delivered and that GitHub does not list even
// after all patience: the list cannot be whole.
func (k Known) unseenReviews(shown map[int64]bool) int {
	n := 0
	for id := range k.Reviews {
		if !shown[id] {
			n++
		}
	}
	return n
}
