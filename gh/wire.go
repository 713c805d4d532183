package gh

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// wireAccount is an account as REST and webhooks write it. GitHub writes null for
// accounts that are gone, and an empty object for commit authors that it cannot link.
type wireAccount struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Type  string `json:"type"`
}

func (w *wireAccount) account() Account {
	if w == nil {
		return Account{}
	}
	a := Account{ID: w.ID, Login: w.Login, Type: w.Type}
	if a.Type == "Bot" {
		a.Login = strings.TrimSuffix(a.Login, "[bot]")
	}
	return a
}

type wireApp struct {
	ID   int64  `json:"id"`
	Slug string `json:"slug"`
}

func (w *wireApp) app() App {
	if w == nil {
		return App{}
	}
	return App{ID: w.ID, Slug: w.Slug}
}

// utc returns a time that may be missing; missing is the zero time.
func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// isSHA says whether s is a full object name: 40 or 64 lower-case hexadecimal digits.
func isSHA(s string) bool {
	if len(s) != 40 && len(s) != 64 {
		return false
	}
	for _, r := range []byte(s) {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return true
}

// checkSHA refuses what is not a full object name.
func checkSHA(what, s string) error {
	if !isSHA(s) {
		return fmt.Errorf("%s %.80q is not a full commit SHA", what, s)
	}
	return nil
}

// askSHA refuses, before asking GitHub, a SHA that is not one: a branch name in its place
// would be answered for whatever the branch points at.
func askSHA(sha string) error {
	if err := checkSHA("head", sha); err != nil {
		return fmt.Errorf("%v: %w", err, ErrInvalid)
	}
	return nil
}

var errNoID = errors.New("no id")
