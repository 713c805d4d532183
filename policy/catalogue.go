package policy

// Catalogue is the list of agents, assistants and automations, with its indexes. It is
// immutable and safe for concurrent use.
type Catalogue struct {
	agents []Agent
}

// AgentProblem is one thing that is wrong with an agent.
type AgentProblem struct {
	Index   int    // position in the list
	Field   string // "ids", "emails", …
	Message string
	Hint    string
}

// Builtin returns the catalogue that is embedded in this program.
func Builtin() *Catalogue { return &Catalogue{} }

// BuiltinSource returns the exact bytes of the embedded catalogue.
func BuiltinSource() []byte { return nil }

// ParseCatalogue restores the catalogue whose Bytes are given.
func ParseCatalogue(src []byte) (*Catalogue, error) { return &Catalogue{}, nil }

// CheckAgents says what is wrong with agents that an organisation wants to add.
func (c *Catalogue) CheckAgents(extra []Agent) []AgentProblem { return nil }

// With returns the catalogue with an organisation's agents added.
func (c *Catalogue) With(extra []Agent) *Catalogue { return c }

// Bytes are the exact bytes that are recorded with a decision.
func (c *Catalogue) Bytes() []byte { return nil }

// Named returns the agent with that name, nil when there is none.
func (c *Catalogue) Named(name string) *Agent { return nil }

// ByID returns the agent with that account id, nil when there is none.
func (c *Catalogue) ByID(id int64) *Agent { return nil }

// ByApp returns the agent with that App slug, nil when there is none.
func (c *Catalogue) ByApp(slug string) *Agent { return nil }

// OfActor returns the agent behind an account, nil when it is none.
func (c *Catalogue) OfActor(a Actor) *Agent { return nil }

// Classify says what the traces amount to.
func Classify(c *Catalogue, t Traces) Classification {
	return Classification{Class: ClassUndetected}
}

// TracesOf returns the traces that facts hold.
func TracesOf(f *Facts) Traces { return Traces{} }

// Markers returns the lines of a body that Change.Markers keeps.
func Markers(c *Catalogue, body string) []string { return nil }

// AuthorshipOf says who is behind a change.
func AuthorshipOf(c *Catalogue, f *Facts) Authorship {
	return Authorship{Class: ClassUndetected}
}

// Is reports whether the member is, or may be, the account a.
func (m Member) Is(a Actor) bool { return m.Actor.ID == a.ID }

// ParseTrailers returns the trailers of a commit message.
func ParseTrailers(message string) []Trailer { return nil }
