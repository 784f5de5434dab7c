package match

import "net/http"

// node is a place in the tree of path segments. Its depth is the number of
// segments before it, so a search comes to it by one way only.
type node struct {
	literals map[string]*node
	param    *node
	// end holds the routes whose pattern ends here, rest those whose pattern
	// goes on with {name...} here.
	end, rest leaf
}

// leaf returns the place of a pattern's routes, growing the tree as needed.
func (n *node) leaf(p Pattern) *leaf {
	for _, seg := range p.segments {
		if seg.kind == rest {
			return &n.rest
		}
		n = n.child(seg)
	}
	if len(p.segments) == 0 {
		// Every path has a first slash: "" and "/{name...}" match the same.
		return &n.rest
	}
	return &n.end
}

func (n *node) child(seg segment) *node {
	if seg.kind == param {
		if n.param == nil {
			n.param = &node{}
		}
		return n.param
	}
	if n.literals == nil {
		n.literals = make(map[string]*node)
	}
	if n.literals[seg.text] == nil {
		n.literals[seg.text] = &node{}
	}
	return n.literals[seg.text]
}

// search is one request on its way through the tree.
type search struct {
	method string
	header http.Header
	// allow is the set of the methods of the routes that did not take this
	// one; nil if there was no such route.
	allow map[string]bool
}

// walk returns the most specific route below n for the segments that are left,
// or -1. At most two children can match a segment; no node is visited twice.
func (s *search) walk(n *node, segments []string) int {
	if len(segments) == 0 {
		return s.choose(n.end)
	}
	if child := n.literals[segments[0]]; child != nil {
		if route := s.walk(child, segments[1:]); route >= 0 {
			return route
		}
	}
	if n.param != nil && segments[0] != "" {
		if route := s.walk(n.param, segments[1:]); route >= 0 {
			return route
		}
	}
	return s.choose(n.rest)
}

// choose returns the route with the most headers that takes the request, the
// first of several, or -1.
func (s *search) choose(l leaf) int {
	best := -1
	for i, group := range l {
		if best >= 0 && len(group.names) < len(l[i-1].names) {
			break
		}
		slot := group.match(s.header)
		if slot == nil {
			continue
		}
		route, ok := slot.route(s.method)
		if !ok {
			if s.allow == nil {
				s.allow = make(map[string]bool)
			}
			slot.allow(s.allow)
			continue
		}
		if best < 0 || route < best {
			best = route
		}
	}
	return best
}
