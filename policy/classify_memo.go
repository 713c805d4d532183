package policy

import "strings"

// reader looks identities and trailers up and remembers the last few: in one pull request
// the same few people and tools come again in every commit. It is made for one evaluation.
type reader struct {
	*Catalogue
	identities [4]resolved
	trailers   [4]readTrailer
	next, turn int // which entry is replaced next
}

// resolved is what the catalogue knows of an identity; each may be nil.
type resolved struct {
	id                     Identity
	account, email, byName *Agent
	// coAuthor is the agent that the identity is in a co-author trailer; coAuthorRead is
	// true once that was looked up.
	coAuthor           *Agent
	used, coAuthorRead bool
}

// agent returns who the identity is, by its address first: an address can say more than
// the account that GitHub found for its id.
func (r *resolved) agent() *Agent {
	if r.email != nil {
		return r.email
	}
	return r.account
}

// identity looks an identity up.
func (r *reader) identity(id *Identity) *resolved {
	for i := range r.identities {
		if e := &r.identities[i]; e.used && e.id == *id {
			return e
		}
	}
	e := &r.identities[r.next]
	r.next = (r.next + 1) % len(r.identities)
	*e = resolved{id: *id, account: r.OfActor(id.Account), email: r.ofEmail(id.Email), used: true}
	if e.account == nil && e.email == nil {
		e.byName = r.ofName(id.Name)
	}
	return e
}

// platform reports whether an identity is GitHub's own: its browser editor, its queue.
func (r *resolved) platform() bool {
	agent := r.account
	if r.id.Account.ID == 0 && agent == nil {
		agent = r.email
	}
	return agent != nil && agent.Kind == KindPlatform
}

// readTrailer is what the catalogue knows of one trailer.
type readTrailer struct {
	Trailer
	used    bool
	session *Agent // the trailer carries a session of this agent
	agent   *Agent // the trailer names this agent
	text    string // of the signal
	// coAuthor is true when the trailer names a further author, whoever that is.
	coAuthor      bool
	name, address string
	links         []foundText
}

// trailer looks a trailer up.
func (r *reader) trailer(t *Trailer) *readTrailer {
	for i := range r.trailers {
		if e := &r.trailers[i]; e.used && e.Trailer == *t {
			return e
		}
	}
	e := &r.trailers[r.turn]
	r.turn = (r.turn + 1) % len(r.trailers)
	*e = readTrailer{Trailer: *t, used: true}
	r.read(e)
	return e
}

func (r *reader) read(e *readTrailer) {
	e.name, e.address, _ = cutAddress(e.Value)
	e.coAuthor = e.address != "" && strings.EqualFold(e.Key, coAuthorKey)
	if e.Key == "" {
		e.agent, e.text = r.bodyMarker(e.Value), e.Value
	} else if rules := r.trailerKey(e.Key); rules != nil {
		e.session = firstMatch(rules.sessions, e.Value)
	}
	if e.session != nil {
		e.text = cut(e.Key+": "+e.Value, maxValueBytes)
		return
	}
	if e.Key != "" {
		if e.agent = r.inTrailer(e.Key, e.name, e.address); e.agent != nil {
			key := e.Key
			if e.coAuthor {
				key = coAuthorKey // so that GitHub's reading of the same line is the same signal
			}
			e.text = cut(key+": "+e.Value, maxValueBytes)
			return
		}
	}
	if strings.IndexByte(e.Value, '/') >= 0 {
		e.links = r.sessionLinks(e.Value)
	}
}

// coAuthor returns the agent that a co-author is, nil when it is none.
func (r *reader) coAuthor(id *Identity) *Agent {
	e := r.identity(id)
	if !e.coAuthorRead {
		e.coAuthorRead = true
		if e.coAuthor = r.inTrailer(coAuthorKey, id.Name, id.Email); e.coAuthor == nil {
			e.coAuthor = e.account
		}
	}
	return e.coAuthor
}
