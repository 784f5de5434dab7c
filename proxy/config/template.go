package config

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"text/template/parse"
)

// parseTemplate returns the template that a body with "{{" is, nil for any other.
// What could run for long is refused: loops, and templates in templates.
func parseTemplate(body string) (*template.Template, error) {
	if !strings.Contains(body, "{{") {
		return nil, nil
	}
	t, err := template.New("body").Option("missingkey=error").Parse(body)
	if err != nil {
		return nil, errors.New(templateError(err))
	}
	if len(t.Templates()) > 1 {
		return nil, errors.New("define and block are not available")
	}
	if t.Tree == nil {
		return nil, errors.New("there is nothing but comments in it")
	}
	for _, node := range nodesOf(t.Root) {
		switch node.(type) {
		case *parse.RangeNode:
			return nil, errors.New("range is not available")
		case *parse.TemplateNode:
			return nil, errors.New("template is not available")
		}
	}
	return t, nil
}

// templateError cuts off what names a template to itself.
func templateError(err error) string {
	text := strings.TrimPrefix(err.Error(), "template: body:")
	if _, tail, ok := strings.Cut(text, ": executing \"body\" at "); ok {
		return strings.TrimSuffix(tail, " in type config.sampleData")
	}
	if line, tail, ok := strings.Cut(text, ": "); ok {
		return fmt.Sprintf("%s in its line %s", tail, line)
	}
	return text
}

// paramsOf returns the names of the path's parameters that a template uses, also
// in branches that are seldom taken.
func paramsOf(t *template.Template) []string {
	var names []string
	for _, node := range nodesOf(t.Root) {
		var idents []string
		switch n := node.(type) {
		case *parse.FieldNode:
			idents = n.Ident
		case *parse.VariableNode:
			idents = n.Ident[1:]
		}
		if len(idents) > 1 && idents[0] == "Params" {
			names = append(names, idents[1])
		}
	}
	return names
}

// nodesOf returns the nodes below n in the order of the text.
func nodesOf(n parse.Node) []parse.Node {
	nodes := []parse.Node{n}
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, child := range n.Nodes {
			nodes = append(nodes, nodesOf(child)...)
		}
	case *parse.ActionNode:
		nodes = append(nodes, nodesOf(n.Pipe)...)
	case *parse.IfNode:
		nodes = append(nodes, nodesOfBranch(&n.BranchNode)...)
	case *parse.WithNode:
		nodes = append(nodes, nodesOfBranch(&n.BranchNode)...)
	case *parse.PipeNode:
		if n == nil {
			return nil
		}
		for _, command := range n.Cmds {
			nodes = append(nodes, nodesOf(command)...)
		}
	case *parse.CommandNode:
		for _, argument := range n.Args {
			nodes = append(nodes, nodesOf(argument)...)
		}
	case *parse.ChainNode:
		nodes = append(nodes, nodesOf(n.Node)...)
	}
	return nodes
}

func nodesOfBranch(b *parse.BranchNode) []parse.Node {
	nodes := nodesOf(b.Pipe)
	nodes = append(nodes, nodesOf(b.List)...)
	return append(nodes, nodesOf(b.ElseList)...)
}
