package handlers

import (
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/tracing"
)

// describe says in a span what a delivery is about and what became of it.
func describe(span tracing.Span, a store.Arrival, received store.Received, err error) {
	span.Word(tracing.Event, a.Event)
	span.Word(tracing.Action, a.Action)
	span.Number(tracing.Organisation, a.OrgID)
	span.Number(tracing.Installation, a.InstallationID)
	span.Number(tracing.Repository, a.RepoID)
	if o := a.Observation; o != nil {
		span.Number(tracing.PullRequest, int64(o.Number))
		span.Word(tracing.Head, o.HeadSHA)
	}
	if err != nil {
		span.Word(tracing.Outcome, "not_stored")
		return
	}
	span.Word(tracing.Outcome, outcome(received))
}
