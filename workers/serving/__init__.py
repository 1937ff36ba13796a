"""Model servers kept alive: started from weights whose every byte was checked, evaluated, watched, and ended."""
