package policy

import (
	"maps"
	"regexp/syntax"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

const (
	// maxRuleRegexp is the size of a regular expression in bytes, and maxRegexpSteps its size
	// once its repetitions are written out.
	maxRuleRegexp  = 200
	maxRegexpSteps = 1000
)

// languageValidator refuses what CEL has and rules have no use for.
type languageValidator struct{}

// Name is the validator's name for CEL.
func (languageValidator) Name() string { return "countersign.language" }

// Validate reports every use of what is left out.
func (languageValidator) Validate(_ *cel.Env, _ cel.ValidatorConfig, a *ast.AST, issues *cel.Issues) {
	ast.PostOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.MapKind, ast.StructKind:
			// The entries of a map come in another order every time, and so would a decision.
			issues.ReportErrorAtID(e.ID(), "maps and objects cannot be written here")
		case ast.CallKind:
			if e.AsCall().FunctionName() == "matches" {
				if problem := regexpProblem(e.AsCall()); problem != "" {
					issues.ReportErrorAtID(e.ID(), "%s", problem)
				}
			}
		}
	}))
}

// regexpProblem says what is wrong with the regular expression of a call of matches. It must be
// written out: what it takes to compile one from the facts would depend on who proposes.
func regexpProblem(call ast.CallExpr) string {
	args := call.Args()
	if len(args) == 0 || args[len(args)-1].Kind() != ast.LiteralKind {
		return "matches() takes a regular expression that is written out"
	}
	pattern, ok := args[len(args)-1].AsLiteral().Value().(string)
	if !ok || len(pattern) > maxRuleRegexp {
		return "the regular expression is too long"
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "not a regular expression (RE2): " + shorten(err.Error(), 150)
	}
	if regexpSteps(parsed) > maxRegexpSteps {
		return "the regular expression repeats too much"
	}
	return ""
}

// regexpSteps is the size of a regular expression once its repetitions are written out. It is
// worked out before the expression is compiled, which is what takes the memory.
func regexpSteps(re *syntax.Regexp) int {
	steps := 1
	for _, sub := range re.Sub {
		steps = min(steps+regexpSteps(sub), 1<<20)
	}
	if re.Op == syntax.OpRepeat {
		steps *= max(re.Min, re.Max, 1)
	}
	return min(steps+len(re.Rune), 1<<20)
}

// factSizes tells CEL's estimate how large the facts may be. A change whose facts are larger is
// cut off when it is evaluated.
type factSizes struct{}

// EstimateSize is the size of a list, map or text, nil where CEL knows better.
func (factSizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	path := node.Path()
	if len(path) == 0 || node.Type() == nil {
		return nil
	}
	switch node.Type().Kind() {
	case types.ListKind, types.MapKind:
		if slices.Equal(path, []string{"files"}) {
			return &cost.SizeEstimate{Max: 3000} // as many as GitHub tells
		}
		return &cost.SizeEstimate{Max: 100}
	case types.StringKind:
		return &cost.SizeEstimate{Max: 256}
	}
	return nil
}

// EstimateCallCost leaves the functions to CEL.
func (factSizes) EstimateCallCost(_, _ string, _ *cost.AstNode, _ []cost.AstNode) *cost.CallEstimate {
	return nil
}

// orderedMap is a map whose keys come in one order, whatever Go's do.
type orderedMap struct {
	traits.Mapper
	keys traits.Lister
}

// newOrderedMap is a map of texts for CEL, in the order of its keys.
func newOrderedMap(entries map[string]string) ref.Val {
	return orderedMap{
		Mapper: types.NewStringStringMap(types.DefaultTypeAdapter, entries),
		keys:   types.NewStringList(types.DefaultTypeAdapter, slices.Sorted(maps.Keys(entries))),
	}
}

// Iterator goes through the keys.
func (m orderedMap) Iterator() traits.Iterator { return m.keys.Iterator() }
