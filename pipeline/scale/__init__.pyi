# What other rooms use of this one; each name is imported when it is first asked for.
