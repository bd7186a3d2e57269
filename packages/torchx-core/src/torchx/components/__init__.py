"""Built-in components: functions that return an ``AppDef``."""
