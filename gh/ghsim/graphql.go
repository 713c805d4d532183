package ghsim

import "net/http"

// graphqlState is what the GraphQL executor keeps between requests.
type graphqlState struct{}

// serveGraphQL answers POST /api/graphql. It is called without Sim.mu held.
func (s *Sim) serveGraphQL(w http.ResponseWriter, r *http.Request, v *viewer) {
	http.Error(w, `{"message":"GraphQL is not there yet"}`, http.StatusNotImplemented)
}
