"""What of a module's source can change a number."""

import ast

from etsdm.fingerprint.files import root_of

SAYING = frozenset({"print", "warnings"})
"""Names whose calls only speak."""
ABOUT = frozenset({"order", "about", "title"})
"""Attributes of a class that say where it is listed, and what a report says of it."""
PROGRESS = "tqdm"
"""Name of the progress bar: only its first argument, what it goes through, does more than show."""


class Essence(ast.NodeTransformer):
    """Takes away from a tree what cannot change a number.

    Args:
        quiet: names of quiet code.
        errors: names of the project's errors.
    """

    def __init__(self, quiet: set[str], errors: set[str]) -> None:
        self._quiet, self._silent = quiet, errors | SAYING

    def visit_Import(self, _: ast.Import) -> None:
        """An import line says where things are."""

    def visit_ImportFrom(self, _: ast.ImportFrom) -> None:
        """The same."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Docstrings don't count."""
        silent = isinstance(node.value, ast.Constant) or root_of(node.value) in SAYING
        return None if silent else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        """Imports for annotations alone don't count."""
        return None if root_of(node.test) == "TYPE_CHECKING" else self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Annotations of arguments and results don't count."""
        node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Annotations of fields do count: a dataclass is made of them."""
        node.body = [
            reduced
            for statement in node.body
            if not is_about(statement)
            and (reduced := statement if isinstance(statement, ast.AnnAssign) else self.visit(statement))
        ]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """The annotation of a variable doesn't count."""
        return None if node.value is None else self.generic_visit(ast.Assign([node.target], node.value))

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        """What is said of a failed assertion doesn't count."""
        return self.generic_visit(ast.Assert(node.test))

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """What is raised counts, not its words."""
        return ast.Raise(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """The words that are handed to an error, a progress bar or quiet code don't count."""
        name = root_of(node.func)
        if name in self._silent:
            return ast.Call(node.func, [], [])
        if name == PROGRESS:
            node.args, node.keywords = node.args[:1], []
        if name in self._quiet:
            node.args = [argument for argument in node.args if not _is_text(argument)]
            node.keywords = [keyword for keyword in node.keywords if not _is_text(keyword.value)]
        return self.generic_visit(node)


def is_about(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
        return False
    return statement.target.id in ABOUT and "ClassVar" in ast.dump(statement.annotation)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
