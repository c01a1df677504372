DROP INDEX revocations_of_several;
