package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const agentsHelp = `countersign agents is about the agents that act in an organisation.

  countersign agents activity    what each of them did, as GitHub told of it

example: countersign agents activity --org acme --agent copilot-swe-agent`

const activityHelp = `countersign agents activity prints what agents did: when, which account, which event, on what and
with what result. It says what was received from GitHub while the App was installed and is still
kept, and no more; who is an agent, the built-in catalogue says. A person whose change an agent
wrote on their own machine is not in it: countersign policy show --pr says what traces a change has.

example:
  countersign agents activity --org acme --from 2026-11-01 --to 2026-11-30 --json`

// activity is one thing that an agent did.
type activity struct {
	At      time.Time    `json:"at"` // when it was received
	Agent   string       `json:"agent"`
	Actor   policy.Actor `json:"actor"`
	Event   string       `json:"event"`
	Object  string       `json:"object"`
	Result  string       `json:"result"`  // empty: GitHub said none
	Session string       `json:"session"` // link to the agent's session, from the newest decision; empty: none is known
	// DeliveryID is the delivery that told of it.
	DeliveryID string `json:"delivery_id"`
}

func runAgents(ctx context.Context, args []string, env environment) error {
	return runBelow(ctx, "agents", agentsHelp, map[string]func(context.Context, []string, environment) error{"activity": runActivity}, args, env)
}

func runActivity(ctx context.Context, args []string, env environment) error {
	flags := newFlags("agents activity", env.stderr, activityHelp)
	database, login := databaseFlag(flags, env), orgFlag(flags)
	agent := flags.String("agent", "", "only this agent, by its `name` in the catalogue")
	from := flags.String("from", "", "first `date`, YYYY-MM-DD, UTC")
	to := flags.String("to", "", "last `date`")
	asJSON := flags.Bool("json", false, "print one JSON object per activity")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	begin, end, err := period(*from, *to)
	if err != nil {
		return err
	}
	return withOrg(ctx, store.Options{URL: *database}, *login, flags, func(_ store.OrgRow, n store.Tenant) error {
		r := activityReader{ctx: ctx, tenant: n, agent: *agent, sessions: map[string]string{}}
		if err := n.Received(ctx, begin, end, r.add); err != nil {
			return err
		}
		if r.disposed > 0 {
			fmt.Fprintf(env.stderr, "What %d events of this time said was disposed of: countersign retention list says when and why.\n", r.disposed)
		}
		if *asJSON {
			return printLines(env.stdout, r.found, func(a activity) any { return a })
		}
		printActivity(env.stdout, r.found)
		return nil
	})
}

func printActivity(w io.Writer, list []activity) {
	for _, a := range list {
		fmt.Fprintf(w, "%s  %s  %s  %s  %s", policy.WhenUTC(a.At), visible(a.Agent), visible(a.Actor.Login), visible(a.Event), visible(a.Object))
		for _, more := range []string{a.Result, a.Session} {
			if more != "" {
				fmt.Fprintf(w, "  %s", visible(more))
			}
		}
		fmt.Fprintln(w)
	}
	if len(list) == 0 {
		fmt.Fprintln(w, "No event of an agent was received in this time.")
	}
}

// activityReader finds what agents did among observations.
type activityReader struct {
	ctx      context.Context
	tenant   store.Tenant
	agent    string // empty: all
	sessions map[string]string
	found    []activity
	disposed int
}

func (r *activityReader) add(o store.Observation) error {
	if o.Disposed {
		r.disposed++
		return nil
	}
	var e gh.Event
	if err := json.Unmarshal(o.Body, &e); err != nil {
		return fmt.Errorf("observation %d: %w", o.Seq, err)
	}
	actor := policy.Actor{ID: e.Sender.ID, Login: e.Sender.Login, Type: policy.ActorType(e.Sender.Type)}
	agent := policy.Builtin().OfActor(actor)
	if agent == nil || agent.Kind != policy.KindAgent || r.agent != "" && agent.Name != r.agent {
		return nil
	}
	session, err := r.session(o)
	r.found = append(r.found, activity{o.ReceivedAt, agent.Name, actor, eventOf(e), objectOf(o, e), resultOf(e), session, o.DeliveryID})
	return err
}

func eventOf(e gh.Event) string {
	if e.Action == "" {
		return e.Name
	}
	return e.Name + " " + e.Action
}

// objectOf names what an event is about.
func objectOf(o store.Observation, e gh.Event) string {
	name := ""
	if e.Repository != nil {
		name = e.Repository.FullName
	}
	if o.Number > 0 {
		name += "#" + strconv.Itoa(o.Number)
	}
	switch {
	case e.Push != nil:
		name += " " + e.Push.Ref
	case e.CheckRun != nil:
		name += " " + e.CheckRun.Name
	case e.Status != nil:
		name += " " + e.Status.Context
	case e.WorkflowRun != nil:
		name += " " + e.WorkflowRun.Path
	}
	if o.HeadSHA != "" {
		name += fmt.Sprintf(" %.12s", o.HeadSHA)
	}
	return name
}

// resultOf is what came of it, as the event says.
func resultOf(e gh.Event) string {
	switch {
	case e.Review != nil:
		return e.Review.State
	case e.CheckRun != nil:
		return cmp.Or(e.CheckRun.Conclusion, e.CheckRun.Status)
	case e.WorkflowRun != nil:
		return cmp.Or(e.WorkflowRun.Conclusion, e.WorkflowRun.Status)
	case e.Status != nil:
		return e.Status.State
	case e.PullRequest != nil && e.PullRequest.Merged:
		return "merged"
	case e.PullRequest != nil:
		return e.PullRequest.State
	}
	return ""
}

// session is the link to an agent's session that the newest decision about a pull request saw.
func (r *activityReader) session(o store.Observation) (string, error) {
	if o.Number == 0 {
		return "", nil
	}
	key := fmt.Sprint(o.RepoID, "/", o.Number)
	if link, known := r.sessions[key]; known {
		return link, nil
	}
	link, err := sessionOf(r.ctx, r.tenant, o.RepoID, o.Number)
	r.sessions[key] = link
	return link, err
}

func sessionOf(ctx context.Context, n store.Tenant, repo int64, number int) (string, error) {
	current, err := n.Current(ctx, repo, number)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	var row store.Decided
	if err == nil {
		row, err = n.Decision(ctx, current.RecordID)
	}
	if err != nil {
		return "", err
	}
	var d policy.Decision
	if err := json.Unmarshal(row.Decision, &d); err != nil {
		return "", fmt.Errorf("decode decision %s: %w", row.RecordID, err)
	}
	i := slices.IndexFunc(d.Authorship.Signals, func(s policy.Signal) bool { return s.Kind == "session" })
	if i < 0 {
		return "", nil
	}
	return d.Authorship.Signals[i].Value, nil
}
