package evidence

import (
	"encoding/json"
	"reflect"
	"time"
	"unicode/utf8"
)

// quick is JSON that is being read, in the form that json.Marshal writes.
type quick struct {
	src   []byte
	at    int
	known [512]string // texts that were read before: the same ones come again and again
}

// literal passes over what stands next, if it is this.
func (q *quick) literal(s string) bool {
	if end := q.at + len(s); end <= len(q.src) && string(q.src[q.at:end]) == s {
		q.at = end
		return true
	}
	return false
}

// quoted passes over a text in quotes, and returns what stands between them; false: it is none.
// Plain is true when it stands for itself.
func (q *quick) quoted() (text []byte, plain, ok bool) {
	if !q.literal(`"`) {
		return nil, false, false
	}
	rest, ascii := q.src[q.at:], true
	plain = true
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			q.at += i + 1
			return rest[:i], plain, ascii || !plain || utf8.Valid(rest[:i])
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			return nil, false, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false, false
}

func (q *quick) string(into reflect.Value) bool {
	from := q.at
	text, plain, ok := q.quoted()
	if plain {
		into.SetString(q.shared(text))
		return ok
	}
	var s string
	ok = ok && json.Unmarshal(q.src[from:q.at], &s) == nil
	into.SetString(s)
	return ok
}

// maxShared is the length of the longest text that is looked for among those read before.
const maxShared = 64

// shared is a text, the same one as before if it was read just before.
func (q *quick) shared(text []byte) string {
	n := len(text)
	if n == 0 || n > maxShared {
		return string(text)
	}
	place := &q.known[(uint(text[0])*31+uint(text[n/2])*131+uint(text[n-1])*7+uint(n)*17)%uint(len(q.known))]
	if *place != string(text) {
		*place = string(text)
	}
	return *place
}

func (q *quick) bool(into reflect.Value) bool {
	yes := q.literal("true")
	into.SetBool(yes)
	return yes || q.literal("false")
}

func (q *quick) int(into reflect.Value) bool {
	n, ok := q.number()
	into.SetInt(n)
	return ok && !into.OverflowInt(n)
}

// number passes over a number without a fraction, of at most 18 digits: there is no larger one that
// an int64 could not hold.
func (q *quick) number() (int64, bool) {
	negative := q.literal("-")
	from, n := q.at, int64(0)
	for ; q.at < len(q.src) && q.src[q.at] >= '0' && q.src[q.at] <= '9' && q.at-from < 18; q.at++ {
		n = n*10 + int64(q.src[q.at]-'0')
	}
	digits := q.at - from
	if negative {
		n = -n
	}
	return n, digits > 0 && (digits == 1 || q.src[from] != '0')
}

func (q *quick) time(into reflect.Value) bool {
	from := q.at
	_, plain, ok := q.quoted()
	return ok && plain && into.Addr().Interface().(*time.Time).UnmarshalJSON(q.src[from:q.at]) == nil
}
