package facts

import (
	"fmt"
	"strings"

	"github.com/countersign/countersign/policy"
)

// reviews joins what GitHub says of each review now with what its delivery said, and
// returns beside it the roles of reviewers that were not recorded before.
func (r *firstReading) reviews(req Request, second *secondReading) (policy.List[policy.Review], map[int64]string) {
	list := r.answer.Repository.PullRequest.Reviews
	out := policy.List[policy.Review]{Complete: list.whole(), Total: list.TotalCount}
	if !out.Complete {
		out.Why = fmt.Sprintf("GitHub holds %d reviews, more than the %d that are read", list.TotalCount, maxReviews)
	}
	dismissals := r.dismissals()
	firstPermissions, shown := map[int64]string{}, map[int64]bool{}
	for _, node := range list.Nodes {
		review := reviewFrom(node)
		if d, ok := dismissals[review.ID]; ok {
			review.DismissedBy, review.DismissedState = d.Actor.actor(), strings.ToLower(d.PreviousReviewState)
		}
		review.Permission = second.roles[review.Actor.ID]
		shown[review.ID] = true
		if receipt, ok := req.Known.Reviews[review.ID]; ok {
			review.Received = &receipt
		}
		if then, ok := req.Known.Permissions[review.ID]; ok {
			review.PermissionThen = then
		} else if review.Permission != "" {
			review.PermissionThen = review.Permission
			firstPermissions[review.ID] = review.Permission
		}
		out.Items = append(out.Items, review)
	}
	if n := req.Known.unseenReviews(shown); n > 0 {
		out.Complete = false
		out.Why = fmt.Sprintf("%d reviews were delivered that GitHub does not list", n)
	}
	return out, firstPermissions
}

func reviewFrom(node gqlReview) policy.Review {
	review := policy.Review{
		ID: int64(node.FullDatabaseID), Actor: node.Author.actor(), State: strings.ToLower(node.State), Edited: node.LastEditedAt != nil,
	}
	if node.Commit != nil {
		review.CommitSHA = node.Commit.OID
	}
	if node.SubmittedAt != nil {
		review.SubmittedAt = node.SubmittedAt.UTC()
	}
	return review
}

// dismissals are the dismissals by review id, the last one where it happened twice.
func (r *firstReading) dismissals() map[int64]gqlTimelineItem {
	by := map[int64]gqlTimelineItem{}
	for _, item := range r.answer.Repository.PullRequest.TimelineItems.Nodes {
		if item.Typename == "ReviewDismissedEvent" && item.Review != nil {
			by[int64(item.Review.FullDatabaseID)] = item
		}
	}
	return by
}
