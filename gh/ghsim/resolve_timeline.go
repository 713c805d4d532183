package ghsim

import (
	"slices"
	"strings"
	"time"
)

// pullEvent is an entry of a timeline with the pull request that it is of; nil: an issue.
type pullEvent struct {
	pull *pull
	*timelineEvent
}

// timelineTypes are the kinds of timeline events that are simulated; resolvers by type
// and field.
var timelineTypes = map[string]map[string]resolver{
	"AssignedEvent":              eventFields("assignee"),
	"UnassignedEvent":            eventFields("assignee"),
	"LabeledEvent":               eventFields("label"),
	"UnlabeledEvent":             eventFields("label"),
	"HeadRefForcePushedEvent":    eventFields("beforeCommit", "afterCommit"),
	"BaseRefForcePushedEvent":    eventFields("beforeCommit", "afterCommit"),
	"BaseRefChangedEvent":        eventFields("previousRefName", "currentRefName"),
	"ReviewDismissedEvent":       eventFields("previousReviewState", "dismissalMessage", "review", "pullRequestCommit"),
	"ReviewRequestedEvent":       eventFields("requestedReviewer"),
	"ReviewRequestRemovedEvent":  eventFields("requestedReviewer"),
	"AutoMergeEnabledEvent":      eventFields("enabler"),
	"AutoMergeDisabledEvent":     eventFields("reasonCode"),
	"AddedToMergeQueueEvent":     eventFields("enqueuer"),
	"RemovedFromMergeQueueEvent": eventFields("reason", "enqueuer", "removalBeforeCommit"),
	"ReadyForReviewEvent":        eventFields(),
	"ConvertToDraftEvent":        eventFields(),
	"MergedEvent":                eventFields("commit", "mergeRefName"),
	"ClosedEvent":                eventFields("closer"),
	"ReopenedEvent":              eventFields(),
}

// timelineOf lists the timeline of a pull request, or of an issue (p is nil), only the kinds that
// are asked for. Kinds that are never simulated are an error, and so is a timeline of every kind.
func timelineOf(p *pull, timeline []*timelineEvent, args gqlArgs) ([]typed, error) {
	asked := args.strings("itemTypes")
	if len(asked) == 0 {
		return nil, refusal("NOT_SIMULATED", "the simulated GitHub does not have every kind of timeline item: give itemTypes")
	}
	var kinds []string
	for _, item := range asked {
		kind := typeOfItem(item)
		if timelineTypes[kind] == nil {
			return nil, refusal("NOT_SIMULATED", "the simulated GitHub does not have timeline items of type %s", item)
		}
		kinds = append(kinds, kind)
	}
	since, err := time.Parse(time.RFC3339, args.string("since"))
	if args.string("since") != "" && err != nil {
		return nil, refusal("", "since: %v", err)
	}
	var list []typed
	for _, e := range timeline {
		if slices.Contains(kinds, e.kind) && !e.at.Before(since) {
			list = append(list, typed{e.kind, pullEvent{p, e}})
		}
	}
	skip, _ := args.int("skip")
	return list[min(max(skip, 0), len(list)):], nil
}

// typeOfItem turns ASSIGNED_EVENT into AssignedEvent.
func typeOfItem(item string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(item, "_") {
		b.WriteString(word[:1] + strings.ToLower(word[1:]))
	}
	return b.String()
}

// eventFields are the fields that all timeline events have, and the named ones.
func eventFields(names ...string) map[string]resolver {
	fields := map[string]resolver{
		"createdAt": on(func(e pullEvent) any { return e.at }),
		"actor":     on(func(e pullEvent) any { return anActor(e.actor) }),
	}
	for _, name := range names {
		r := eventField[name]
		switch name {
		case "removalBeforeCommit": // the world keeps it where a merge has its commit
			name = "beforeCommit"
		}
		fields[name] = r
	}
	return fields
}

var eventField = map[string]resolver{
	"assignee":            on(func(e pullEvent) any { return anActor(e.subject) }),
	"label":               on(func(e pullEvent) any { return e.label }),
	"beforeCommit":        on(func(e pullEvent) any { return commitOf(e.pull.repo, e.before) }),
	"afterCommit":         on(func(e pullEvent) any { return commitOf(e.pull.repo, e.after) }),
	"removalBeforeCommit": on(func(e pullEvent) any { return commitOf(e.pull.repo, e.commit) }),
	"commit":              on(func(e pullEvent) any { return commitOf(e.pull.repo, e.commit) }),
	"pullRequestCommit":   on(func(e pullEvent) any { return commitOf(e.pull.repo, e.commit) }),
	"previousRefName":     on(func(e pullEvent) any { return e.before }),
	"currentRefName":      on(func(e pullEvent) any { return e.after }),
	"previousReviewState": on(func(e pullEvent) any { return e.previous }),
	"dismissalMessage":    on(func(e pullEvent) any { return textOrNull(e.message) }),
	"reason":              on(func(e pullEvent) any { return textOrNull(e.message) }),
	"reasonCode":          on(func(e pullEvent) any { return textOrNull(e.message) }),
	"enabler":             on(func(e pullEvent) any { return aUser(e.actor) }),
	"enqueuer":            on(func(e pullEvent) any { return aUser(e.actor) }),
	"mergeRefName":        on(func(e pullEvent) any { return e.ref }),
	"review": on(func(e pullEvent) any {
		if e.review == nil {
			return nil
		}
		return pullReview{e.pull, e.review}
	}),
	"closer": on(func(e pullEvent) any {
		if e.closer == nil {
			return nil
		}
		return typed{"PullRequest", e.closer}
	}),
	"requestedReviewer": on(func(e pullEvent) any {
		if e.team != nil {
			return typed{"Team", e.team}
		}
		return anActor(e.subject)
	}),
}
