package ghsim

import "strings"

// GraphQLFault makes one field of GraphQL answers go wrong, beside data that is right:
// the status stays 200.
type GraphQLFault struct {
	// Path names the field by the keys of the answer, without list positions:
	// "repository.pullRequest.reviews". An alias counts, since it is the answer's key.
	Path string
	// Type and Message are of the entry in "errors": "SERVICE_UNAVAILABLE", "FORBIDDEN", ….
	Type    string
	Message string
	// Silent makes the field null without an entry in "errors".
	Silent bool
	// Queries is how many queries it spoils; 0 means until the fault is taken back.
	Queries int
}

// hits says whether the fault is for the field at path.
func (f *GraphQLFault) hits(path *gqlPath) bool {
	rest := f.Path
	for p := path; p != nil; p = p.above {
		if p.key == "" {
			continue
		}
		if rest == p.key {
			return !p.above.hasKey()
		}
		var is bool
		if rest, is = strings.CutSuffix(rest, "."+p.key); !is {
			return false
		}
	}
	return false
}

// hasKey says whether there is a key on the path.
func (p *gqlPath) hasKey() bool {
	for ; p != nil; p = p.above {
		if p.key != "" {
			return true
		}
	}
	return false
}

// FailGraphQL spoils a field of the following GraphQL answers. The returned function
// takes the fault back.
func (s *Sim) FailGraphQL(f GraphQLFault) (repair func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fault := &f
	s.graphql.faults = append(s.graphql.faults, fault)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.graphql.drop(fault)
	}
}

// take gives the faults of the next query and uses them up. The caller holds Sim.mu.
func (g *graphqlState) take() []*GraphQLFault {
	taken := append([]*GraphQLFault(nil), g.faults...)
	for _, f := range taken {
		if f.Queries == 0 {
			continue
		}
		if f.Queries--; f.Queries == 0 {
			g.drop(f)
		}
	}
	return taken
}

func (g *graphqlState) drop(fault *GraphQLFault) {
	kept := g.faults[:0:0]
	for _, f := range g.faults {
		if f != fault {
			kept = append(kept, f)
		}
	}
	g.faults = kept
}
