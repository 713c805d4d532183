package policy

// Traces is what a change shows of who wrote it. Every field may be unknown: an empty
// field is no evidence, neither for nor against an agent.
type Traces struct {
	// Author is the account that opened the pull request, as GitHub asserts it.
	Author Actor
	// App is the App that acted for Author; zero when none is known.
	App     App
	HeadRef string
	Title   string
	// Body is the pull request's body, or the lines that Markers kept of it.
	Body    string
	Labels  []string
	Commits []Commit
	Pushes  []Push
}

// Classification is what the traces of a change amount to.
type Classification struct {
	Class Class
	// Agents are the names of those who decided the class, strongest evidence first,
	// then by name. Empty when the class is undetected.
	Agents []string
	// Signals are all traces, strongest first, then by kind, agent, place and value.
	Signals []Signal
}
