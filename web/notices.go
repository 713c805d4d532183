package web

import (
	"context"
	"strings"
)

// Notices is how an organisation's people are told of exceptions.
type Notices struct {
	// Ways are the ways in which an organisation is told, by its login, and of what.
	Ways func(login string) []NoticeWay
	// Test sends a test each way. by is the login of who asked for it.
	Test func(ctx context.Context, login, by string) []NoticeTest
}

// NoticeWay is a way in which people are told: of exceptions of which severities, by event.
type NoticeWay struct {
	Name            string
	Opened, Overdue []string
}

// OpenedInWords and OverdueInWords are the severities as the page shows them.
func (w NoticeWay) OpenedInWords() string  { return severitiesInWords(w.Opened) }
func (w NoticeWay) OverdueInWords() string { return severitiesInWords(w.Overdue) }

func severitiesInWords(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return "severity " + strings.Join(list, ", ")
}

// NoticeTest is how a test went one way, in words for people.
type NoticeTest struct {
	Name   string
	Took   bool
	Answer string
}

// noticesPage is how a test of the notifications went.
type noticesPage struct {
	Base  string
	Tests []NoticeTest
}

// testNotices sends a test to the organisation's receivers.
func (s *Site) testNotices(v *visit) (shown, error) {
	if _, err := administered(v); err != nil {
		return shown{}, err
	}
	s.Log.Info().Str("organisation", v.view.Login).Str("by", v.session.Login).Msg("a test of the notifications is sent")
	tests := s.Notices.Test(v.Context(), v.view.Login, v.session.Login)
	if len(tests) == 0 {
		return shown{}, refusal("The settings of this server have nobody who is told of exceptions. Write under notifications who that is: docs/notifications.md.")
	}
	return shown{"Test of the notifications", noticesPage{v.base(), tests}}, nil
}
