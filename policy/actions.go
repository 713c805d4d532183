package policy

// GitHub Actions as an App. The id is github.com's; a GitHub Enterprise Server gives
// another, so the slug, which only GitHub itself can hold there, counts as well.
const (
	actionsAppID int64 = 15368
	actionsSlug        = "github-actions"
)

// isActions reports whether an App is GitHub Actions.
func (a App) isActions() bool { return a.ID == actionsAppID || a.Slug == actionsSlug }
