package ghsim

import "net/http"

// Placeholders while the package is being built; each moves to its own file.

type call struct{}
type answer struct{}
type budget struct{}
type sender struct{}
type delivery struct{}
type requestLog struct{}

// Faults are programmable faults.
type Faults struct{}

func newFaults() *Faults                                        { return &Faults{} }
func (q *sender) stop()                                         {}
func (s *Sim) table() []*route                                  { return nil }
func (s *Sim) addPlatform()                                     {}
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {}
