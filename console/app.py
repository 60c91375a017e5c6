"""The console's entry: who may come in, and the pages.

Streamlit runs this file as a script; a child process that only imports it gets nothing.
"""

from __future__ import annotations

if __name__ == "__main__":
    from console.frame import show

    show()
