//! A radix tree of prefixes, each with those who hold it.
//!
//! A look-up visits the nodes on a topic's way and no others. Holding and letting go cost in proportion to the prefix,
//! whoever else holds it, and whatever other prefixes there are.

use slab::Slab;

/// Bytes of an edge: what parting or joining nodes copies at most, however long the prefixes of others are.
const EDGE_BYTES_MAX: usize = 64;
/// A node in memory, with an edge and lists as they are on average; rather too much.
pub(super) const NODE_BYTES: usize = 256;

pub(super) type NodeId = usize;

/// Whoever holds a prefix, as its owner numbers them.
pub(super) type Holder = u32;

#[derive(Debug)]
struct Node {
    /// The bytes from its parent to it: none for the root alone.
    edge: Box<[u8]>,
    parent: NodeId,
    /// By the first byte of their edges.
    children: Vec<(u8, NodeId)>,
    holders: Vec<Holder>,
}

#[derive(Debug)]
pub(super) struct Trie {
    nodes: Slab<Node>,
    root: NodeId,
    /// Nodes looked at and bytes copied, for tests: the same on every machine.
    #[cfg(test)]
    pub(super) work: std::cell::Cell<usize>,
}

impl Default for Trie {
    fn default() -> Self {
        let mut nodes = Slab::new();
        let root =
            nodes.insert(Node { edge: [].into(), parent: 0, children: Vec::new(), holders: Vec::new() });
        Trie {
            nodes,
            root,
            #[cfg(test)]
            work: Default::default(),
        }
    }
}

impl Trie {
    /// Nodes in use.
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Nodes that one more prefix may need.
    pub(super) fn nodes_for(prefix: &[u8]) -> usize {
        prefix.len().div_ceil(EDGE_BYTES_MAX) + 1
    }

    /// Whether there is no prefix.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }

    pub(super) fn holders(&self, node: NodeId) -> &[Holder] {
        &self.nodes[node].holders
    }

    /// The nodes on the way of `topic`, from the top.
    pub(super) fn path<'a>(&'a self, topic: &'a [u8]) -> impl Iterator<Item = NodeId> + 'a {
        let (mut at, mut rest) = (self.root, topic);
        std::iter::from_fn(move || {
            let child = self.child(at, *rest.first()?)?;
            rest = rest.strip_prefix(&*self.nodes[child].edge)?;
            at = child;
            Some(child)
        })
    }

    /// Where `prefix` is, if there is such a node: somebody may hold it, or only prefixes that it begins.
    pub(super) fn find(&self, prefix: &[u8]) -> Option<NodeId> {
        let mut bytes = 0;
        let last = self.path(prefix).inspect(|node| bytes += self.nodes[*node].edge.len()).last();
        last.filter(|_| bytes == prefix.len())
    }

    /// Adds a holder of `prefix`, who has not held it. Gives where, and its place among the holders there.
    pub(super) fn hold(&mut self, prefix: &[u8], holder: Holder) -> (NodeId, usize) {
        let (mut at, mut rest) = (self.root, prefix);
        while let Some(first) = rest.first() {
            let bytes;
            (at, bytes) = match self.child(at, *first) {
                Some(child) => self.part(child, common(&self.nodes[child].edge, rest)),
                None => self.grow(at, &rest[..rest.len().min(EDGE_BYTES_MAX)]),
            };
            rest = &rest[bytes..];
        }
        let holders = &mut self.nodes[at].holders;
        holders.push(holder);
        (at, holders.len() - 1)
    }

    /// Takes the holder at `place` away. Gives who is there now instead, if anybody is: the one who was last.
    pub(super) fn let_go(&mut self, node: NodeId, place: usize) -> Option<Holder> {
        let holders = &mut self.nodes[node].holders;
        holders.swap_remove(place);
        let moved = holders.get(place).copied();
        if holders.is_empty() {
            self.prune(node);
        }
        moved
    }

    fn child(&self, node: NodeId, first: u8) -> Option<NodeId> {
        self.worked(1);
        let children = &self.nodes[node].children;
        let at = children.binary_search_by_key(&first, |(first, _)| *first).ok()?;
        Some(children[at].1)
    }

    fn grow(&mut self, parent: NodeId, edge: &[u8]) -> (NodeId, usize) {
        let node = Node { edge: edge.into(), parent, children: Vec::new(), holders: Vec::new() };
        let id = self.nodes.insert(node);
        let children = &mut self.nodes[parent].children;
        let at = children.partition_point(|(first, _)| *first < edge[0]);
        children.insert(at, (edge[0], id));
        (id, edge.len())
    }

    /// Sees to it that a node ends after so many bytes of this one's edge. The node keeps its end, and its number.
    fn part(&mut self, node: NodeId, bytes: usize) -> (NodeId, usize) {
        let whole = &self.nodes[node].edge;
        if bytes == whole.len() {
            return (node, bytes);
        }
        self.worked(whole.len());
        let (upper_edge, lower_edge) = whole.split_at(bytes);
        let (upper_edge, lower_edge): (Box<[u8]>, Box<[u8]>) = (upper_edge.into(), lower_edge.into());
        let (parent, children) = (self.nodes[node].parent, vec![(lower_edge[0], node)]);
        let upper = self.nodes.insert(Node { edge: upper_edge, parent, children, holders: Vec::new() });
        (self.nodes[node].edge, self.nodes[node].parent) = (lower_edge, upper);
        self.lead_to(upper);
        self.absorb_parents(upper);
        (upper, bytes)
    }

    /// The parent of `node` leads to it from now on, not to what was there before.
    fn lead_to(&mut self, node: NodeId) {
        let (parent, first) = (self.nodes[node].parent, self.nodes[node].edge[0]);
        let children = &mut self.nodes[parent].children;
        if let Ok(at) = children.binary_search_by_key(&first, |(first, _)| *first) {
            children[at].1 = node;
        }
    }

    /// Takes nodes away that nobody needs, from one upwards that nobody holds any more.
    fn prune(&mut self, mut node: NodeId) {
        while node != self.root && self.nodes[node].holders.is_empty() {
            self.worked(1);
            match self.nodes[node].children[..] {
                [] => {
                    let Node { edge, parent, .. } = self.nodes.remove(node);
                    self.nodes[parent].children.retain(|(first, _)| *first != edge[0]);
                    node = parent;
                }
                [(_, child)] => {
                    self.absorb_parents(child);
                    if self.nodes[child].parent == node {
                        self.absorb_parents(node);
                    }
                    return;
                }
                _ => return,
            }
        }
        if self.is_empty() {
            self.nodes.shrink_to_fit();
        }
    }

    /// A parent that only leads here becomes part of this node's edge, and so on upwards, while that is short enough:
    /// of two such nodes in a row one is long, so that a prefix has few of them.
    fn absorb_parents(&mut self, node: NodeId) {
        loop {
            let parent = self.nodes[node].parent;
            let Node { edge: upper, children, holders, parent: above } = &self.nodes[parent];
            let edge = &self.nodes[node].edge;
            let only_leads_here = parent != self.root && holders.is_empty() && children.len() == 1;
            if !only_leads_here || upper.len() + edge.len() > EDGE_BYTES_MAX {
                return;
            }
            self.worked(upper.len() + edge.len());
            let (edge, above) = ([&upper[..], edge].concat().into(), *above);
            (self.nodes[node].edge, self.nodes[node].parent) = (edge, above);
            self.nodes.remove(parent);
            self.lead_to(node);
        }
    }

    fn worked(&self, _steps: usize) {
        #[cfg(test)]
        self.work.set(self.work.get() + _steps);
    }
}

/// How many bytes both begin with.
fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
