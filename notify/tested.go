package notify

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
)

// eventTest is the event of a notice that is about nothing.
const eventTest = "test"

// Tested is how a test went one way.
type Tested struct {
	Way  string
	Took bool // the receiver took it
	// Answer says what the receiver answered and, if it did not take the test, what to do. It holds
	// neither an address nor a word of the receiver's.
	Answer string
}

// Test sends a notice that says that it is a test each way that an organisation has, whatever else
// is told there, once. by is who asked for it.
func (s *Sender) Test(ctx context.Context, organisation, by string) []Tested {
	n := Notice{ID: eventTest + "/" + rand.Text(), Event: eventTest, Organisation: organisation, Title: "This is a test",
		Text: "Nothing happened. " + by + " had this sent to see whether notices of exceptions arrive."}
	var out []Tested
	for _, way := range s.Of(organisation).Ways() {
		status, err := s.send(ctx, way, n)
		t := Tested{Way: way, Took: err == nil, Answer: fmt.Sprintf("It answered %d %s.", status, http.StatusText(status))}
		switch {
		case t.Took:
		case status == 0:
			t.Answer = fmt.Sprintf("It could not be reached: %s. Look at the address in its file, and at what this server may reach.", err)
		default:
			t.Answer += " " + whatToDo(status)
		}
		out = append(out, t)
	}
	return out
}

// whatToDo is about a status with which a notice is not taken.
func whatToDo(status int) string {
	switch {
	case status < 200 || status >= 500:
		return "Something there is broken: try again, or ask whoever runs it."
	case status < 400:
		return "Redirects are not followed: write the address to which it leads into the file."
	case status == http.StatusTooManyRequests:
		return "It was told too much: try again in a minute."
	}
	return "It does not take notices at this address: make a new one there and write it into the file, and look at the secret if it has one."
}
