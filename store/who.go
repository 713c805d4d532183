package store

// Who is who did something beside GitHub: the operating-system user of a command on the server's
// machine, or an account as GitHub asserts it. A command cannot know more of its user than that.
//
// Field names and order are part of the evidence format; add, never change.
type Who struct {
	User      string `json:"user,omitempty"`
	Host      string `json:"host,omitempty"`
	AccountID int64  `json:"account_id,omitempty"`
	Login     string `json:"login,omitempty"`
}

func (w Who) known() bool { return w.User != "" || w.AccountID != 0 }

// String is how a person reads it.
func (w Who) String() string {
	if w.AccountID != 0 {
		return w.Login
	}
	return w.User + " on " + w.Host
}
