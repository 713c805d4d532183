package ghsim

import "net/http"

func (s *Sim) servePages(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
