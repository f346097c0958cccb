r"""ARPA files: back-off models as text, the form that KenLM, SRILM and the others exchange.

    # tokens: plain                   anything may stand before \data\ (KenLM wants a # before it)
    \data\
    ngram 1=4                         n-grams of each order
    ngram 2=2

    \1-grams:
    -99 <TAB> <s> <TAB> -0.30103      log10 p(w | h), the words, log10 of the back-off weight
    -0.30103 <TAB> </s> <TAB> 0       p(</s>) = 1/2
    -0.60206 <TAB> a <TAB> -0.1760913
    -0.60206 <TAB> <unk> <TAB> 0

    \2-grams:
    -0.2041200 <TAB> <s> a            the highest order has no back-off
    -0.1760913 <TAB> a </s>           p(</s> | a) = 2/3, p(a | a) = 2/3 * 1/4

    \end\

-99 or less stands for the logarithm of zero. `<s>` and `</s>` are two names of one end-of-text id:
`<s>` where it is the context that a document begins with, `</s>` where it is predicted.
"""

from __future__ import annotations

from lmbench.counts.arpa.read import Arpa, read_arpa
from lmbench.counts.arpa.write import compressed, write_arpa

__all__ = ["Arpa", "compressed", "read_arpa", "write_arpa"]
