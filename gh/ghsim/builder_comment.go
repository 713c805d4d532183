package ghsim

// Comment is a comment on an issue, or on the conversation of a pull request.
type Comment struct {
	s *Sim
	t thread
	c *comment
}

func (s *Sim) comment(t thread, by Actor, body string) *Comment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Comment{s, t, s.addComment(t, by.actsAs(), body)}
}

func (s *Sim) commentsOf(t thread) (list []*Comment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range *t.comments() {
		list = append(list, &Comment{s, t, c})
	}
	return list
}

// By is the login of who wrote it, as REST has it.
func (c *Comment) By() string { return c.c.author.login }

// Body is the comment's text.
func (c *Comment) Body() string {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.c.body
}

// Edit changes the comment's text; anybody with write access may.
func (c *Comment) Edit(by Actor, body string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.editComment(c.t, c.c, by.actsAs(), body)
}
