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
	Heads  []SeenHead
	Pushes []policy.Push
	// Reviews are the "submitted" deliveries by review id.
	Reviews map[int64]policy.ReviewReceipt
	// Checks are the newest deliveries about check runs on the head, by check run id.
	Checks map[int64]SeenCheck
	// Permissions are the reviewers' roles at first reading, by review id.
	Permissions map[int64]string
}

// SeenHead is a head that a delivery named.
type SeenHead struct {
	SHA string
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

// notBehind returns ErrBehind when a delivery told of a head, review or check result
// that the reading does not show.
func (k Known) notBehind(r *firstReading, now time.Time) error {
	if err := k.headShown(r, now); err != nil {
		return err
	}
	shown := map[int64]bool{}
	for _, review := range r.answer.Repository.PullRequest.Reviews.Nodes {
		shown[int64(review.FullDatabaseID)] = true
	}
	for id, receipt := range k.Reviews {
		if !shown[id] && now.Sub(receipt.ReceivedAt) < patience {
			return fmt.Errorf("%w: review %d is not visible yet", ErrBehind, id)
		}
	}
	return k.checksShown(r, now)
}

func (k Known) headShown(r *firstReading, now time.Time) error {
	if len(k.Heads) == 0 {
		return nil
	}
	last := k.Heads[len(k.Heads)-1]
	head, updated := r.answer.Repository.PullRequest.HeadRefOid, r.answer.Repository.PullRequest.UpdatedAt
	if head == last.SHA || updated.After(last.UpdatedAt) || now.Sub(last.ReceivedAt) >= patience {
		return nil
	}
	for _, seen := range k.Heads {
		if seen.SHA == head {
			return fmt.Errorf("%w: head %.12s is not visible yet", ErrBehind, last.SHA)
		}
	}
	// A head that no delivery named yet: the API is ahead, its delivery will come.
	return nil
}

func (k Known) checksShown(r *firstReading, now time.Time) error {
	shown := map[int64]SeenCheck{}
	for _, run := range r.checkRuns {
		shown[run.ID] = SeenCheck{Status: run.Status, Conclusion: run.Conclusion}
	}
	for id, seen := range k.Checks {
		if seen.Status != "completed" || now.Sub(seen.ReceivedAt) >= patience {
			continue
		}
		if got := shown[id]; got.Status != seen.Status || got.Conclusion != seen.Conclusion {
			return fmt.Errorf("%w: the result of check run %d is not visible yet", ErrBehind, id)
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
