package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// link is a way to PostgreSQL that can be cut, and on which the server can be killed when its
// commit passes by.
type link struct {
	listener net.Listener
	ambush   ambush

	mu     sync.Mutex
	silent bool
	open   []net.Conn
}

func newLink(t testing.TB) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	orFatal(t, err)
	l := &link{listener: listener}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go l.carry(c)
		}
	}()
	t.Cleanup(func() { listener.Close(); l.cut() })
	return l
}

// to is the URL of a database by way of the link.
func (l *link) to(t testing.TB, database string) string {
	t.Helper()
	c, err := pgx.ParseConfig(database)
	orFatal(t, err)
	return "postgres://" + c.User + "@" + l.listener.Addr().String() + "/" + c.Database + "?sslmode=disable"
}

func (l *link) carry(c net.Conn) {
	server, err := net.Dial("unix", postgres.Socket())
	if err != nil {
		c.Close()
		return
	}
	l.mu.Lock()
	l.open = append(l.open, c, server)
	l.mu.Unlock()
	s := &session{link: l, named: map[string]string{}}
	go l.forward(server, c, func(m message) { s.answered(m) }, true)
	l.forward(c, server, s.asked, false)
}

// forward hands on what it reads, message by message, after look was called with it. While the link
// is silent, what is read is lost.
func (l *link) forward(from, to net.Conn, look func(message), typed bool) {
	defer to.Close()
	buffered := bufio.NewReader(from)
	for ; ; typed = true {
		m, err := readMessage(buffered, typed)
		if err != nil {
			return
		}
		l.mu.Lock()
		silent := l.silent
		l.mu.Unlock()
		if silent {
			continue
		}
		look(m)
		if _, err := to.Write(m.whole); err != nil {
			return
		}
	}
}

// silence loses what is sent for a while, and closes what was open then.
func (l *link) silence(d time.Duration) {
	l.mu.Lock()
	l.silent = true
	l.mu.Unlock()
	<-time.After(d)
	l.cut()
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.open {
		c.Close()
	}
	l.open, l.silent = nil, false
}

// message is one of PostgreSQL's protocol.
//
// Source: https://www.postgresql.org/docs/current/protocol-message-formats.html
type message struct {
	kind        byte // 0: the first one of a connection, which has none
	whole, body []byte
}

func readMessage(r io.Reader, typed bool) (message, error) {
	head := make([]byte, 4)
	if typed {
		head = make([]byte, 5)
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return message{}, err
	}
	length := binary.BigEndian.Uint32(head[len(head)-4:]) // itself included
	if length < 4 || length > 1<<30 {
		return message{}, io.ErrUnexpectedEOF
	}
	m := message{whole: append(head, make([]byte, length-4)...)}
	m.body = m.whole[len(head):]
	if typed {
		m.kind = head[0]
	}
	_, err := io.ReadFull(r, m.body)
	return m, err
}

// texts are the first n strings of a message.
func (m message) texts(n int) []string {
	parts := bytes.SplitN(m.body, []byte{0}, n+1)
	out := make([]string, n)
	for i := range min(n, len(parts)) {
		out[i] = string(parts[i])
	}
	return out
}

// session is one connection to PostgreSQL, as far as is needed to see what its commits are of.
type session struct {
	link  *link
	named map[string]string // prepared statements by name
	doing transaction

	mu     sync.Mutex
	strike func() // when the commit that was asked for is done
}

// asked is told what the server asks, before PostgreSQL is.
func (s *session) asked(m message) {
	switch m.kind {
	case 'P': // Parse
		text := m.texts(2)
		s.named[text[0]] = text[1]
	case 'B': // Bind, which is followed by Execute
		s.runs(s.named[m.texts(2)[1]])
	case 'Q':
		s.runs(m.texts(1)[0])
	}
}

func (s *session) runs(query string) {
	if query == "COMMIT" {
		switch strike, after := s.link.ambush.sprung(&s.doing); {
		case strike != nil && after:
			s.mu.Lock()
			s.strike = strike
			s.mu.Unlock()
		case strike != nil:
			strike()
			s.link.cut() // so that it never arrives
		}
	}
	s.doing.saw(query)
}

// answered is told what PostgreSQL answers, before the server is.
func (s *session) answered(m message) {
	if m.kind != 'C' || m.texts(1)[0] != "COMMIT" { // CommandComplete
		return
	}
	s.mu.Lock()
	strike := s.strike
	s.strike = nil
	s.mu.Unlock()
	if strike != nil {
		strike()
	}
}
