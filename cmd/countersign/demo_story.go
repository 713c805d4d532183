package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

// scenario is one pull request, from what happens to what must come of it.
type scenario struct {
	name string
	told string
	play func(w *acme) pull
	// later is how far the server's clock is moved once everything was decided.
	later time.Duration
	want  told
}

// told is what must come of a scenario.
type told struct {
	class      policy.Class
	conclusion string
	unmet      []string
}

const (
	held     = "in_progress"
	released = "success"
	failed   = "failure"
)

// story is every scenario, in the order in which it is told.
func story() []scenario {
	return []scenario{
		{"agent-no-review", "alice assigns Copilot. It opens a pull request, and the tests pass.\nNobody has looked at it.",
			func(w *acme) pull { return w.copilotPull("add retries to checkout") },
			0, told{policy.ClassAgent, held, []string{policy.RuleHumanReview, policy.RuleFreshReview}}},

		{"agent-approved-by-requester", "alice assigns Copilot and approves what it made for her.\nShe asked for it, so she is not independent of it.",
			func(w *acme) pull {
				pr := w.copilotPull("cache the price list")
				pr.Approve(w.alice)
				return pr
			}, 0, told{policy.ClassAgent, held, []string{policy.RuleHumanReview, policy.RuleFreshReview}}},

		{"agent-approved-by-bot", "A review bot approves. GitHub counts that; Countersign lists it and does not.",
			func(w *acme) pull {
				pr := w.copilotPull("rename the basket service")
				pr.Approve(w.reviewer)
				return pr
			}, 0, told{policy.ClassAgent, held, []string{policy.RuleHumanReview, policy.RuleFreshReview}}},

		{"agent-approved-by-independent-human", "bob neither wrote nor requested it, and he approves.",
			func(w *acme) pull {
				pr := w.copilotPull("validate postal codes")
				pr.Approve(w.bob)
				return pr
			}, 0, told{policy.ClassAgent, released, []string{}}},

		{"agent-approved-then-pushed", "bob approves, then Copilot pushes once more.\nHis approval was for what he saw, not for this.",
			func(w *acme) pull {
				pr := w.copilotPull("log failed payments")
				pr.Approve(w.bob)
				pr.Push(w.copilot, ghsim.Commit{Message: "also log card numbers" + w.requestedBy(w.alice), Files: map[string]string{"pay.go": "package pay // more\n"}})
				w.test(pr, "success")
				return pr
			}, 0, told{policy.ClassAgent, held, []string{policy.RuleFreshReview}}},

		{"assisted-under-human-account", "dave commits with Claude Code: his account, the agent's trace in a trailer.\nIt needs the same independent approval, and bob gives it.",
			func(w *acme) pull {
				pr := w.shop.OpenPullRequest(ghsim.PullSpec{Title: "Round totals half to even", Head: "dave/rounding", Author: w.dave, Commits: []ghsim.Commit{{
					Message: "round half to even\n\nCo-Authored-By: Claude <noreply@anthropic.com>", Files: map[string]string{"round.go": "package round\n"}}}})
				w.test(pr, "success")
				pr.Approve(w.bob)
				return pr
			}, 0, told{policy.ClassAssisted, released, []string{}}},

		{"validation-failed", "bob approves, but the tests fail.",
			func(w *acme) pull {
				pr := w.untested("rewrite the search index")
				w.test(pr, "failure")
				pr.Approve(w.bob)
				return pr
			}, 0, told{policy.ClassAgent, failed, []string{policy.RuleValidated}}},

		{"validation-missing", "bob approves, but the tests never ran on this head.\n(Ten minutes pass: the server's clock is moved.)",
			func(w *acme) pull {
				pr := w.untested("drop the old coupon table")
				pr.Approve(w.bob)
				return pr
			}, 11 * time.Minute, told{policy.ClassAgent, failed, []string{policy.RuleValidated}}},

		{"validation-forged", "A workflow posts a green check run named like the tests, as GitHub Actions.\nThere is no job behind it.",
			func(w *acme) pull {
				pr := w.untested("speed up the test suite")
				w.shop.RunWorkflow(pr.HeadSHA(), ".github/workflows/ci.yml", "pull_request", ghsim.Job{Name: "lint", Conclusion: "success"})
				w.shop.ForgeActionsRun(pr.HeadSHA(), "test", "success")
				pr.Approve(w.bob)
				return pr
			}, 0, told{policy.ClassAgent, failed, []string{policy.RuleValidated}}},

		{"validation-by-the-agent-itself", "In acme/robots the check that counts is posted by Devin, and Devin wrote the change.",
			func(w *acme) pull {
				pr := w.devinPull(w.robots, "tune the arm controller")
				w.robots.PostCheckRun(w.devin, pr.HeadSHA(), "devin self-check", "success")
				pr.Approve(w.bob)
				return pr
			}, 0, told{policy.ClassAgent, failed, []string{policy.RuleIndependentValidation}}},

		{"branch-unprotected", "In acme/sandbox nothing protects main: whoever wants to can push past every check.",
			func(w *acme) pull {
				pr := w.copilotPullIn(w.sandbox, "try a new layout")
				pr.Approve(w.bob)
				return pr
			}, 0, told{policy.ClassAgent, failed, []string{policy.RuleBranchProtection}}},

		{"check-not-pinned", "In acme/legacy the check \"countersign\" is required from any source,\nso anybody with write access could post it.",
			func(w *acme) pull {
				pr := w.copilotPullIn(w.legacy, "patch the importer")
				pr.Approve(w.bob)
				return pr
			}, 0, told{policy.ClassAgent, failed, []string{policy.RuleBranchProtection}}},

		{"human-change-approved", "dave writes, no agent indicator is found, bob approves.",
			func(w *acme) pull {
				pr := w.shop.OpenPullRequest(ghsim.PullSpec{Title: "Fix the footer", Head: "dave/footer", Author: w.dave, Commits: []ghsim.Commit{{
					Message: "fix the footer", Files: map[string]string{"footer.html": "<footer>\n"}}}})
				w.test(pr, "success")
				pr.Approve(w.bob)
				return pr
			}, 0, told{policy.ClassUndetected, released, []string{}}},

		{"dependency-bot", "Dependabot updates a library; it is automation, not an agent. carol approves.",
			func(w *acme) pull {
				pr := w.shop.OpenPullRequest(ghsim.PullSpec{Title: "Bump left-pad from 1.2.0 to 1.3.0", Head: "dependabot/npm_and_yarn/left-pad-1.3.0", Author: w.dependabot,
					Commits: []ghsim.Commit{{Message: "Bump left-pad from 1.2.0 to 1.3.0\n\nSigned-off-by: dependabot[bot] <support@github.com>", Files: map[string]string{"package.json": "{}\n"}}}})
				w.test(pr, "success")
				pr.Approve(w.carol)
				return pr
			}, 0, told{policy.ClassAutomation, released, []string{}}},
	}
}

// requestedBy is the trailer in which Copilot names who asked it.
func (w *acme) requestedBy(who *ghsim.User) string {
	return fmt.Sprintf("\n\nCo-authored-by: %s <%d+%s@users.noreply.github.com>", who.Login(), who.ID(), who.Login())
}

// copilotPull is Copilot's pull request in acme/shop, assigned by alice, its tests green.
func (w *acme) copilotPull(what string) pull { return w.copilotPullIn(w.shop, what) }

func (w *acme) copilotPullIn(repo *ghsim.Repo, what string) pull {
	pr := w.untestedIn(repo, what)
	w.test(pr, "success")
	return pr
}

func (w *acme) untested(what string) pull { return w.untestedIn(w.shop, what) }

func (w *acme) untestedIn(repo *ghsim.Repo, what string) pull {
	pr := repo.OpenPullRequest(ghsim.PullSpec{
		Title: "Copilot: " + what, Head: "copilot/" + slug(what), Author: w.copilot,
		Commits: []ghsim.Commit{{Message: what + w.requestedBy(w.alice), Files: map[string]string{slug(what) + ".go": "package shop\n"}, Signed: true}},
	})
	pr.Assign(w.alice, w.copilot)
	return pr
}

// devinPull is Devin's pull request, assigned by alice.
func (w *acme) devinPull(repo *ghsim.Repo, what string) pull {
	pr := repo.OpenPullRequest(ghsim.PullSpec{
		Title: what, Body: "Link to Devin run: https://app.devin.ai/sessions/0123456789abcdef0123456789abcdef\nRequested by: @alice",
		Head: fmt.Sprintf("devin/%d-%s", 1700000000, slug(what)), Author: w.devin,
		Commits: []ghsim.Commit{{Message: what, Files: map[string]string{"arm.go": "package arm\n"}}},
	})
	pr.Assign(w.alice, w.devin)
	return pr
}

// test runs the tests on the head, as GitHub Actions does.
func (w *acme) test(pr pull, conclusion string) {
	pr.Repo().RunWorkflow(pr.HeadSHA(), ".github/workflows/ci.yml", "pull_request", ghsim.Job{Name: "test", Conclusion: conclusion})
}

// slug is text as the part of a branch's name.
func slug(text string) string {
	out := []rune(text)
	for i, r := range out {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			out[i] = '-'
		}
	}
	return string(out)
}

// mergeReleased merges what GitHub lets through, and has acme/sandbox, which nothing protects,
// reached in two ways that nobody decided on.
func mergeReleased(ctx context.Context, w *acme, pulls []pull) error {
	for _, pr := range pulls {
		by, method := w.bob, "squash"
		if pr.Repo() == w.sandbox {
			by, method = w.dave, "merge"
		} else if len(pr.Blockers()) > 0 {
			continue
		}
		if err := errors.Join(pr.Merge(by, method), w.settle(ctx)); err != nil {
			return err
		}
	}
	w.sandbox.Push("main", w.dave, ghsim.Commit{Message: "quick fix", Files: map[string]string{"fix.go": "package fix\n"}})
	return w.settle(ctx)
}
